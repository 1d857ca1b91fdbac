//! What was on the wire, and how a replay compares with it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;

use serde_json::Value;
use twintap_decode::exchange::{Certainty, Exchange, HalfStream};
use twintap_decode::grpc::{decompress, sniff_encoding};
use twintap_decode::hpack::KnownName;

/// One call as the wire had it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) client_port: u16,
    pub(crate) stream_id: u32,
    pub(crate) method: String,
    pub(crate) status: Option<u32>,
    pub(crate) request: Vec<String>,
    pub(crate) response: Vec<String>,
    /// Were packets of it removed?
    pub(crate) is_touched: bool,
    /// Did it begin before the capture?
    pub(crate) is_partial: bool,
}

/// How a replay compares with the truth.
#[derive(Debug, Default)]
pub(crate) struct Score {
    pub(crate) untouched: usize,
    pub(crate) perfect: usize,
    pub(crate) methods_right: usize,
    pub(crate) messages_right: usize,
    pub(crate) touched: usize,
    pub(crate) touched_unflagged: usize,
    /// Calls that lost nothing, and say that they may have.
    pub(crate) untouched_flagged: usize,
    pub(crate) phantom: usize,
    pub(crate) duplicate: usize,
    pub(crate) missing: usize,
    pub(crate) wrong_certain: usize,
    pub(crate) wrong_inferred: usize,
    pub(crate) status_known: usize,
    /// Untouched calls whose method class has another method's calls in it.
    pub(crate) impure: usize,
    pub(crate) notes: Vec<String>,
}

impl Score {
    pub(crate) fn perfect_pct(&self) -> f64 {
        percent(self.perfect, self.untouched)
    }

    pub(crate) fn methods_pct(&self) -> f64 {
        percent(self.methods_right, self.untouched)
    }

    pub(crate) fn messages_pct(&self) -> f64 {
        percent(self.messages_right, self.untouched)
    }

    fn note(&mut self, what: &str, call: &Exchange, truth: &Truth) {
        if self.notes.len() < 12 {
            let (request, response) = (digests(call, true), digests(call, false));
            self.notes.push(format!(
                "{what}: {}/{} {:?} {:?} {:?} began_before={} gap={} {request:?} {response:?} \
                 request_end={:?} response_end={:?} truth {truth:?}",
                truth.client_port,
                truth.stream_id,
                call.method,
                call.status,
                call.end,
                call.began_before_capture,
                call.has_gap(),
                call.request.end_at_unix_ns.is_some(),
                call.response.end_at_unix_ns.is_some(),
            ));
        }
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let float = |count| f64::from(u32::try_from(count).unwrap());
    if whole == 0 {
        100.0
    } else {
        100.0 * float(part) / float(whole)
    }
}

/// Reads truth of the form that one line has one call.
pub(crate) fn read(lines: &str) -> Vec<Truth> {
    lines
        .lines()
        .map(|line| truth(&serde_json::from_str(line).unwrap()))
        .collect()
}

fn truth(line: &Value) -> Truth {
    let number = |key: &str| line[key].as_u64();
    let digests = |key: &str| -> Vec<String> {
        let list = line[key].as_array().into_iter().flatten();
        list.map(|message| message["sha"].as_str().unwrap().to_owned())
            .collect()
    };
    Truth {
        client_port: number("cport").unwrap_or(0).try_into().unwrap(),
        stream_id: number("sid").unwrap().try_into().unwrap(),
        method: line["method"].as_str().unwrap_or_default().to_owned(),
        status: number("wire_status")
            .or(number("status"))
            .map(|s| s.try_into().unwrap()),
        request: digests("req"),
        response: digests("resp"),
        is_touched: number("dropped_packets").is_some_and(|count| count > 0),
        is_partial: line["presence"].as_str() == Some("partial"),
    }
}

/// SHA-256 (first 16 digits) of each decompressed message of one half.
fn digests(call: &Exchange, is_request: bool) -> Vec<String> {
    let half = if is_request {
        &call.request
    } else {
        &call.response
    };
    let encoding = half
        .headers
        .as_ref()
        .and_then(|h| h.find_value(KnownName::GRPC_ENCODING));
    half.body
        .messages()
        .iter()
        .map(|message| digest(half, message.range(), message.flag, encoding))
        .collect()
}

fn digest(
    half: &HalfStream,
    range: std::ops::Range<usize>,
    flag: u8,
    encoding: Option<&[u8]>,
) -> String {
    let bytes = bytes::Bytes::copy_from_slice(&half.body.kept()[range]);
    let opened = if flag & 1 == 1 {
        let encoding = encoding
            .or_else(|| sniff_encoding(&bytes))
            .unwrap_or(b"identity");
        decompress(encoding, &bytes, 64 << 20)
    } else {
        Ok(bytes)
    };
    let Ok(opened) = opened else {
        return "broken".to_owned();
    };
    let hash = hmac_sha256::Hash::hash(&opened);
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn client_port(call: &Exchange) -> u16 {
    call.client_address()
        .unwrap_or(call.connection.forward)
        .port()
}

/// Compares all calls of a replay with the truth. Without client ports in it, streams identify.
pub(crate) fn compare(calls: &VecDeque<Box<Exchange>>, truths: &[Truth]) -> Score {
    let mut score = Score::default();
    let has_ports = truths.iter().any(|truth| truth.client_port != 0);
    let key = |call: &Exchange| {
        (
            if has_ports { client_port(call) } else { 0 },
            call.stream_id,
        )
    };
    let known: HashSet<_> = truths
        .iter()
        .map(|t| (t.client_port, t.stream_id))
        .collect();
    let mut by_key: HashMap<_, &Exchange> = HashMap::new();
    for call in calls {
        if by_key.insert(key(call), call).is_some() {
            score.duplicate += 1;
        }
        if !known.contains(&key(call)) {
            score.phantom += 1;
            score.note(
                "phantom",
                call,
                &Truth {
                    stream_id: call.stream_id,
                    ..Truth::default()
                },
            );
        }
    }
    let mut classes: HashMap<String, HashMap<&str, usize>> = HashMap::new();
    for truth in truths {
        let call = by_key.get(&(truth.client_port, truth.stream_id));
        let is_untouched = !truth.is_touched && !truth.is_partial;
        score.untouched += usize::from(is_untouched);
        score.touched += usize::from(!is_untouched);
        let Some(call) = call else {
            score.missing += usize::from(is_untouched);
            if is_untouched && score.notes.len() < 12 {
                score.notes.push(format!("missing: {truth:?}"));
            }
            continue;
        };
        judge(&mut score, call, truth, is_untouched);
        if let Some(class) = &call.method_class
            && is_untouched
        {
            *classes
                .entry(class.to_string())
                .or_default()
                .entry(&*truth.method)
                .or_default() += 1;
        }
    }
    for methods in classes.values() {
        score.impure += methods.values().sum::<usize>() - methods.values().max().unwrap_or(&0);
    }
    score
}

fn judge(score: &mut Score, call: &Exchange, truth: &Truth, is_untouched: bool) {
    let method = call
        .method
        .value()
        .map(|m| String::from_utf8_lossy(m).into_owned());
    let method_right = method.as_deref() == Some(&*truth.method);
    let status = call.status.value().copied();
    let status_right = status == truth.status;
    let messages_right =
        digests(call, true) == truth.request && digests(call, false) == truth.response;
    let is_flagged = call.has_gap()
        || call.is_truncated()
        || call.began_before_capture
        || call.headers_incomplete()
        || call.response.end_at_unix_ns.is_none();
    let wrong = |right: bool, seen: bool| !right && seen;
    let wrong_certain = wrong(method_right, call.method.is_seen())
        || wrong(status_right, call.status.is_seen())
        || (!messages_right && !is_flagged);
    if wrong_certain {
        score.wrong_certain += 1;
        score.note("wrong certain", call, truth);
    }
    let inferred = matches!(call.status, Certainty::Inferred(..)) && !status_right
        || matches!(call.method, Certainty::Inferred(..)) && !method_right;
    if inferred {
        score.wrong_inferred += 1;
        score.note("wrong inferred", call, truth);
    }
    score.untouched_flagged += usize::from(is_untouched && is_flagged);
    if is_untouched {
        score.methods_right += usize::from(method_right);
        score.messages_right += usize::from(messages_right);
        score.status_known += usize::from(status_right && status.is_some());
        if method_right && status_right && messages_right {
            score.perfect += 1;
        } else if !messages_right || (!call.began_before_capture && call.method_class.is_none()) {
            score.note("imperfect", call, truth);
        }
    } else if truth.is_touched && !is_flagged {
        score.touched_unflagged += 1;
        score.note("unflagged", call, truth);
    }
}
