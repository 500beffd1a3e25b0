//! Streams samples as CSV or NDJSON in constant memory: rows are taken from the store only as
//! fast as the client reads. Fed by [`crate::store::SampleStore::stream`].

use std::io;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use signalbox_protocol::api::{data::Sample, node::SampleFlag};

use super::error::ApiError;
use crate::store::StoreError;

/// Bytes that are collected before they go out as one chunk.
const CHUNK_BYTES: usize = 32_768;

type Rows = BoxStream<'static, Result<Sample, StoreError>>;

/// What the client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Ndjson,
}

impl Format {
    /// The first format in `Accept` that we have; JSON when there is no such header.
    pub(crate) fn wanted(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            let ranges = value.to_str().unwrap_or_default().split(',');
            for range in ranges.map(str::trim).filter(|range| !range.is_empty()) {
                asked = true;
                let mut parts = range.split(';').map(str::trim);
                let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
                let refused =
                    parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                match essence.as_str() {
                    _ if refused => {}
                    "application/json" | "application/*" | "*/*" => return Ok(Self::Json),
                    "text/csv" | "text/*" => return Ok(Self::Csv),
                    "application/x-ndjson" => return Ok(Self::Ndjson),
                    _ => {}
                }
            }
        }
        if asked {
            return Err(ApiError::NotAcceptable {
                message: "samples come as `application/json`, `text/csv` or `application/x-ndjson`",
            });
        }
        Ok(Self::Json)
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// A reply that streams the rows. The first row is awaited before the status goes out, so that
/// a store that is away is told as 503; a failure after that breaks the transfer off, which
/// every HTTP client notices.
pub(crate) async fn stream(mut rows: Rows, format: Format) -> Result<Response, ApiError> {
    let first = match rows.next().await {
        Some(Ok(sample)) => Some(sample),
        Some(Err(error)) => return Err(error.into()),
        None => None,
    };
    let rows = stream::iter(first.map(Ok)).chain(rows).boxed();
    let chunks = stream::try_unfold(
        Export {
            rows,
            format,
            begun: false,
        },
        Export::next_chunk,
    );
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::VARY, "accept"),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

struct Export {
    rows: Rows,
    format: Format,
    begun: bool,
}

impl Export {
    async fn next_chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES + 1_024);
        if !self.begun && self.format == Format::Csv {
            buffer.extend_from_slice(b"ts,node,metric,value,flags\n");
        }
        self.begun = true;
        while buffer.len() < CHUNK_BYTES {
            match self.rows.next().await {
                Some(Ok(sample)) => write_row(&mut buffer, &sample, self.format)?,
                Some(Err(error)) => {
                    tracing::error!(%error, "an export was broken off");
                    return Err(io::Error::other(error));
                }
                None => break,
            }
        }
        let chunk = (!buffer.is_empty()).then(|| Bytes::from(buffer));
        Ok(chunk.map(|chunk| (chunk, self)))
    }
}

fn write_row(buffer: &mut Vec<u8>, sample: &Sample, format: Format) -> io::Result<()> {
    if format == Format::Csv {
        let mut writer = csv::WriterBuilder::new().from_writer(buffer);
        let ts = sample
            .ts
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let value = sample.value.to_string();
        let flags: Vec<&str> = sample.flags.iter().map(|flag| word(*flag)).collect();
        writer.write_record([&ts, &sample.node, &sample.metric, &value, &flags.join(" ")])?;
        return writer.flush();
    }
    serde_json::to_writer(&mut *buffer, sample)?;
    buffer.push(b'\n');
    Ok(())
}

const fn word(flag: SampleFlag) -> &'static str {
    match flag {
        SampleFlag::OutOfRange => "out_of_range",
        SampleFlag::ClockSuspect => "clock_suspect",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use chrono::DateTime;

    use super::*;

    fn wanted(accept: &'static str) -> Option<Format> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        Format::wanted(&headers).ok()
    }

    #[test]
    fn the_first_known_format_is_taken() {
        assert_eq!(Format::wanted(&HeaderMap::new()).ok(), Some(Format::Json));
        assert_eq!(wanted("*/*"), Some(Format::Json));
        assert_eq!(wanted("text/html, text/csv;q=0.9"), Some(Format::Csv));
        assert_eq!(
            wanted("text/csv;q=0, application/x-ndjson"),
            Some(Format::Ndjson)
        );
        assert_eq!(wanted("APPLICATION/JSON"), Some(Format::Json));
        assert_eq!(wanted("image/png"), None);
    }

    fn sample(node: &str) -> Sample {
        Sample {
            node: node.to_owned(),
            metric: "soil".to_owned(),
            ts: DateTime::from_timestamp(1_700_000_000, 500_000_000).unwrap(),
            value: 0.1 + 0.2,
            flags: vec![SampleFlag::OutOfRange, SampleFlag::ClockSuspect],
        }
    }

    #[test]
    fn rows_are_escaped_and_values_exact() {
        let mut csv = Vec::new();
        write_row(&mut csv, &sample("a,\"b\""), Format::Csv).unwrap();
        assert_eq!(
            String::from_utf8(csv).unwrap(),
            "2023-11-14T22:13:20.500Z,\"a,\"\"b\"\"\",soil,0.30000000000000004,\
             out_of_range clock_suspect\n"
        );
        let mut line = Vec::new();
        write_row(&mut line, &sample("a"), Format::Ndjson).unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        assert_eq!(
            serde_json::from_slice::<Sample>(&line).unwrap(),
            sample("a")
        );
    }

    #[tokio::test]
    async fn an_error_after_the_first_row_breaks_the_transfer_off() {
        let error = || StoreError::Unavailable {
            reason: "gone".to_owned(),
        };
        let rows = stream::iter([Err(error())]).boxed();
        assert!(stream(rows, Format::Csv).await.is_err());
        let rows = stream::iter([Ok(sample("a")), Err(error())]).boxed();
        let response = stream(rows, Format::Csv).await.unwrap();
        assert!(
            axum::body::to_bytes(response.into_body(), 1_000)
                .await
                .is_err()
        );
    }
}
