//! The same measurements in VictoriaMetrics and InfluxDB, where they are installed: bytes a
//! sample, and a year of minutes in 200 buckets. Private instances on loopback, spoken to by curl.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    data::{DAY_S, Kind, START_S, Sensor},
    sizes::{DAYS, KINDS, SENSORS},
};

/// Readings come this often.
const EVERY_S: i64 = 10;
const RUNS: usize = 30;
/// A year in 200 buckets.
const STEP: &str = "157680s";
/// How long a server may take to begin, or to tidy up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database of others.
struct Other {
    name: &'static str,
    program: &'static str,
    arguments: fn(&Path, u16) -> Result<Vec<String>>,
    /// Path of the request that writes lines.
    write: &'static str,
    /// A line: series, milliseconds, value.
    line: fn(&mut String, u64, i64, f64),
    /// Paths of requests, with their form, before and after writing.
    before: &'static [(&'static str, &'static str)],
    after: &'static [&'static str],
    /// Where the data is, below its folder.
    data: &'static str,
    /// Empty when all is compressed.
    log: Option<&'static str>,
    /// Path and form of the query of a year.
    query: fn() -> (&'static str, String),
}

const OTHERS: [Other; 2] = [
    Other {
        name: "VictoriaMetrics",
        program: "victoria-metrics",
        arguments: |folder, port| {
            Ok(vec![
                format!("-httpListenAddr=127.0.0.1:{port}"),
                format!("-storageDataPath={}", folder.display()),
                "-retentionPeriod=100y".to_owned(),
                "-search.disableCache".to_owned(),
            ])
        },
        write: "/api/v1/import/csv?format=1:label:node,2:time:unix_ms,3:metric:v",
        line: |out, series, ms, value| {
            let _ = writeln!(out, "n{series},{ms},{value}");
        },
        before: &[],
        after: &["/internal/force_flush", "/internal/force_merge"],
        data: "data",
        log: None,
        query: || {
            let (from, to) = (START_S, START_S + 365 * DAY_S);
            let query = format!("query=avg_over_time(v{{node=\"n0\"}}[{STEP}])");
            (
                "/api/v1/query_range",
                format!("{query}&start={from}&end={to}&step={STEP}"),
            )
        },
    },
    Other {
        name: "InfluxDB",
        program: "influxd",
        arguments: |folder, port| {
            let file = folder.join("influx.conf");
            let path = folder.display();
            let text = format!(
                "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
                 [meta]\ndir = \"{path}/meta\"\n\
                 [data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\n\
                 cache-snapshot-write-cold-duration = \"1s\"\n\
                 compact-full-write-cold-duration = \"1s\"\n\
                 [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n"
            );
            fs::write(&file, text)?;
            Ok(vec!["-config".to_owned(), file.display().to_string()])
        },
        write: "/write?db=b&precision=ms",
        line: |out, series, ms, value| {
            let _ = writeln!(out, "t,node=n{series} v={value} {ms}");
        },
        before: &[("/query", "q=CREATE DATABASE b")],
        after: &[],
        // Beside it lie 32 MiB that its list of series reserves.
        data: "data/b/autogen",
        log: Some("wal"),
        query: || {
            let (from, to) = (START_S, START_S + 365 * DAY_S);
            let query = format!(
                "q=SELECT count(v), min(v), mean(v), max(v) FROM t WHERE node = 'n0' \
                 AND time >= {from}s AND time < {to}s GROUP BY time({STEP})"
            );
            ("/query?db=b", query)
        },
    },
];

pub(crate) fn run(folder: &Path) -> Result<()> {
    for other in &OTHERS {
        let there = Command::new(other.program)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if there.is_err() {
            println!("\n{} is not installed (`{}`)", other.name, other.program);
            continue;
        }
        println!("\n{}, {SENSORS} sensors every {EVERY_S} s", other.name);
        for (kind, name) in KINDS {
            let bytes = size(
                other,
                &folder.join(format!("{}-{kind:?}", other.program)),
                kind,
            )?;
            println!("{name:<34}{bytes:>10.3} bytes a sample");
        }
        let took = year(other, &folder.join(format!("{}-year", other.program)))?;
        println!("a year of minutes in 200 buckets: {took:.1} ms (median, with curl's own)");
    }
    Ok(())
}

/// A server that ends with the value.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a server could not be stopped: {error}");
        }
    }
}

impl Server {
    fn start(other: &Other, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(other.program)
            .args((other.arguments)(folder, port)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context(other.program)?;
        let server = Self { child, port };
        wait("it did not begin", || server.ask("/ping", None).is_ok())?;
        for (path, form) in other.before {
            server.ask(path, Some(form.as_bytes()))?;
        }
        Ok(server)
    }

    /// A request, with a body as a form or as lines.
    fn ask(&self, path: &str, body: Option<&[u8]>) -> Result<()> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--globoff", "--output", "/dev/null"]);
        curl.arg(format!("http://127.0.0.1:{}{path}", self.port));
        curl.stdin(Stdio::piped()).stderr(Stdio::inherit());
        if body.is_some() {
            curl.args(["--data-binary", "@-"]);
        }
        let mut child = curl.spawn().context("curl")?;
        let mut input = child.stdin.take().context("no input")?;
        std::io::Write::write_all(&mut input, body.unwrap_or_default())?;
        drop(input);
        ensure!(child.wait()?.success(), "`{path}` was refused");
        Ok(())
    }
}

fn wait(problem: &str, done: impl Fn() -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !done() {
        ensure!(Instant::now() < until, "{problem}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Writes days of sensors; how many samples.
fn fill(
    server: &Server,
    other: &Other,
    kind: Kind,
    (sensors, days): (u64, i64),
    every_s: i64,
) -> Result<u64> {
    let mut sensors: Vec<Sensor> = (0..sensors).map(|seed| Sensor::new(kind, seed)).collect();
    let mut samples = 0;
    for day in 0..days {
        let mut lines = String::new();
        for (series, sensor) in (0..).zip(&mut sensors) {
            for due in (0..DAY_S / every_s).map(|i| START_S + day * DAY_S + i * every_s) {
                let (us, value) = sensor.read(due);
                (other.line)(&mut lines, series, us / 1_000, value);
                samples += 1;
            }
        }
        server.ask(other.write, Some(lines.as_bytes()))?;
    }
    for path in other.after {
        server.ask(path, None)?;
    }
    Ok(samples)
}

fn size(other: &Other, folder: &Path, kind: Kind) -> Result<f64> {
    let server = Server::start(other, folder)?;
    let days = DAYS * EVERY_S / 60;
    let samples = fill(&server, other, kind, (SENSORS, days), EVERY_S)?;
    let (data, log) = (
        folder.join(other.data),
        other.log.map(|log| folder.join(log)),
    );
    wait("it did not compress all", || {
        log.as_ref().is_none_or(|log| bytes_of(log) == 0)
    })?;
    // Until merging has come to its end.
    let mut before = u64::MAX;
    let mut quiet = 0;
    while quiet < 20 {
        let now = bytes_of(&data);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(before as f64 / samples as f64)
}

fn year(other: &Other, folder: &Path) -> Result<f64> {
    let server = Server::start(other, folder)?;
    fill(&server, other, Kind::Whole, (1, 365), 60)?;
    let (path, form) = (other.query)();
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let begin = Instant::now();
        server.ask(path, Some(form.as_bytes()))?;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    Ok(took[RUNS / 2].as_secs_f64() * 1e3)
}

/// Bytes of all files below a folder.
fn bytes_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
