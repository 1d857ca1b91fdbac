//! The plugin configuration: JSON to the filter is what it is to `serde_json`, and what is taken has
//! the values that stand there.

use serde_json::Value as Theirs;
use twintap_filter::config::{Config, Refusal};
use twintap_filter::json::{Fault, RawText, Reader, Value};

/// Nesting that `serde_json` reads.
const DEPTH_MAX: usize = 100;

/// `bytes` are a configuration.
pub(crate) fn check(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Theirs>(bytes);
    match (walk(bytes), &theirs) {
        (Ok(Depth::Within), Ok(_)) | (Ok(Depth::Beyond), _) | (Err(_), Err(_)) => {}
        // Only they know floats, of which some are too large.
        (Ok(_), Err(error)) => assert!(error.to_string().contains("out of range"), "{error}"),
        (Err(fault), Ok(_)) => panic!("{fault:?}, which is JSON"),
    }
    match Config::try_from_json(bytes) {
        Ok(config) => assert_says(&config, &theirs.unwrap()),
        Err(error) => {
            assert!(error.at <= bytes.len(), "{error:?}");
            let mut buffer = [0; 256];
            assert!(!error.message(&mut buffer).is_empty());
            assert!(
                error.refusal != Refusal::Syntax || theirs.is_err(),
                "{error:?}"
            );
        }
    }
}

fn assert_says(config: &Config, theirs: &Theirs) {
    let number =
        |key: &str, default: f64| theirs.get(key).map_or(default, |it| it.as_f64().unwrap());
    let ours = [
        (
            f64::from(config.body_bytes_max),
            number("body_bytes_max", 65_536.0),
        ),
        (
            f64::from(config.flush_interval_ms),
            number("flush_interval_ms", 50.0),
        ),
        (
            f64::from(config.send_timeout_ms),
            number("send_timeout_ms", 2000.0),
        ),
        (
            f64::from(config.sample_ppm) / 1e6,
            number("sample_rate", 1.0),
        ),
    ];
    for (ours, theirs) in ours {
        assert!((ours - theirs).abs() <= 1e-6, "{ours} is not {theirs}");
    }
    let text = |key: &str, default| theirs.get(key).map_or(default, |it| it.as_str().unwrap());
    assert_eq!(config.service.as_bytes(), text("service", "").as_bytes());
    assert_eq!(
        config.collector_cluster.as_bytes(),
        text("collector_cluster", "").as_bytes()
    );
}

/// How deep a text is nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Within,
    Beyond,
}

/// What is open: an object or an array, and was there something in it?
struct Open {
    is_object: bool,
    is_first: bool,
}

/// Reads the whole text as the filter would, and unescapes all of it.
fn walk(text: &[u8]) -> Result<Depth, Fault> {
    let mut reader = Reader::try_new(text)?;
    let mut depth = Depth::Within;
    let mut open: Vec<Open> = Vec::new();
    loop {
        match reader.value()? {
            Value::Array => open.push(Open {
                is_object: false,
                is_first: true,
            }),
            Value::Object => open.push(Open {
                is_object: true,
                is_first: true,
            }),
            Value::Text(text) => unescape(text),
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
        if open.len() > DEPTH_MAX {
            depth = Depth::Beyond;
        }
        loop {
            let Some(innermost) = open.last_mut() else {
                reader.end()?;
                return Ok(depth);
            };
            let is_first = std::mem::replace(&mut innermost.is_first, false);
            let goes_on = if innermost.is_object {
                reader
                    .key(is_first)?
                    .inspect(|key| unescape(*key))
                    .is_some()
            } else {
                reader.element(is_first)?
            };
            if goes_on {
                break;
            }
            open.pop();
        }
    }
}

fn unescape(text: RawText<'_>) {
    let mut buffer = vec![0; 1 << 16];
    if let Some(text) = text.unescaped(&mut buffer) {
        assert!(std::str::from_utf8(text).is_ok());
    }
}
