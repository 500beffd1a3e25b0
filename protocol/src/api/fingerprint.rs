//! What people compare before they trust a certificate: its SHA-256, as `openssl x509
//! -fingerprint -sha256` writes it.

use core::{fmt, str::FromStr};

use alloc::{borrow::ToOwned as _, string::String};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a SHA-256.
const BYTES: usize = 32;
/// What some programs write before it.
const PREFIX: &str = "SHA256:";

/// SHA-256 of a certificate in DER form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; BYTES]);

/// Why a text is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FingerprintError(String);

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no SHA-256 fingerprint of {BYTES} bytes in hexadecimal",
            self.0
        )
    }
}

impl core::error::Error for FingerprintError {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let colon = if n == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes upper and lower case, with or without colons, with or without `SHA256:`.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let wrong = || FingerprintError(text.to_owned());
        let bare = text.trim();
        let bare = bare
            .split_at_checked(PREFIX.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(PREFIX))
            .map_or(bare, |(_, rest)| rest);
        let mut digits = bare.chars().filter(|c| *c != ':').map(|c| c.to_digit(16));
        let mut bytes = [0; BYTES];
        for byte in &mut bytes {
            let mut digit = || digits.next().flatten().and_then(|n| u8::try_from(n).ok());
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(wrong());
            };
            *byte = high << 4 | low;
        }
        match digits.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(wrong()),
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn it_is_read_as_people_and_programs_write_it() {
        let mut bytes = [0; BYTES];
        bytes[0] = 0x0a;
        bytes[31] = 0xff;
        let it = Fingerprint(bytes);
        let text = it.to_string();
        assert_eq!(text.len(), 95);
        assert!(text.starts_with("0A:00:") && text.ends_with(":00:FF"));
        for written in [
            text.clone(),
            text.to_lowercase(),
            text.replace(':', ""),
            alloc::format!("sha256:{text}\n"),
        ] {
            assert_eq!(written.parse(), Ok(it), "{written}");
        }
        let longer = alloc::format!("{text}:00");
        for bad in ["", "0A", "zz", &text[3..], &longer, &text.replace('F', "G")] {
            let error = bad.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains("is no SHA-256 fingerprint"));
        }
    }
}
