//! A host that keeps what it is told, refuses what it is told to refuse, and answers when asked.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use twintap_filter::batch::Slot;
use twintap_filter::capture::Stream;
use twintap_filter::connections::Connection;
use twintap_filter::engine::{Engine, Memory};
use twintap_filter::hashers::Hasher;
use twintap_filter::headers::write_pairs;
use twintap_filter::host::{Buffer, Host, Map, Metric, Post, Refused};
use twintap_filter::pages::{LargePage, SmallPage};
use twintap_filter::root::Root;
use twintap_filter::table::Entry;
use twintap_record::{ACKNOWLEDGED_HEADER, Message, Reason, Record, RecordBatch};

/// Root context of a rig that has one.
pub(crate) const ROOT: u32 = 1;

/// One POST that was not answered yet, or was.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) root: u32,
    pub(crate) token: u32,
    pub(crate) cluster: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) batch: RecordBatch,
}

/// The host.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub(crate) now_ns: u64,
    pub(crate) maps: BTreeMap<u8, Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) stamped: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) posts: Vec<Posted>,
    pub(crate) metrics: BTreeMap<String, i64>,
    pub(crate) done: Vec<u32>,
    /// Configurations of root contexts, which are Envoy's key for them.
    configs: BTreeMap<u32, String>,
    /// Root contexts that put their end off, by configuration.
    pending: BTreeMap<String, u32>,
    /// Root contexts that were destroyed without a word: no tick and no answer comes any more.
    pub(crate) destroyed: BTreeSet<u32>,
    /// Asked for last; 0 is no ticks.
    pub(crate) tick_ms: u32,
    pub(crate) warnings: Vec<String>,
    /// Property paths asked for.
    pub(crate) asked: Vec<Vec<u8>>,
    /// Numbers of host calls to refuse, counted from 0, and with which status.
    pub(crate) refuse: HashSet<u64>,
    pub(crate) refuse_status: u32,
    /// Refuse everything of this name.
    pub(crate) refuse_named: Option<&'static str>,
    pub(crate) calls: u64,
    /// Does something end in this callback? Then Envoy may be taking its clusters apart.
    pub(crate) is_ending: bool,
    next_token: u32,
}

impl FakeHost {
    fn call(&mut self, name: &'static str) -> Result<(), Refused> {
        let number = self.calls;
        self.calls += 1;
        if self.refuse.contains(&number) || self.refuse_named == Some(name) {
            return Err(Refused(self.refuse_status));
        }
        Ok(())
    }

    /// Was this root context destroyed, or is it no longer needed?
    pub(crate) fn is_gone(&self, root: u32) -> bool {
        self.destroyed.contains(&root) || self.done.contains(&root)
    }

    pub(crate) fn set_map(&mut self, map: Map, pairs: &[(&[u8], &[u8])]) {
        let mut bytes = vec![0; 2 * 1024 * 1024];
        let len = write_pairs(pairs, &mut bytes).unwrap();
        bytes.truncate(len);
        self.maps.insert(key(map), bytes);
    }
}

fn key(map: Map) -> u8 {
    match map {
        Map::RequestHeaders => 0,
        Map::RequestTrailers => 1,
        Map::ResponseHeaders => 2,
        Map::ResponseTrailers => 3,
        Map::CallResponse => 6,
    }
}

fn give(bytes: &[u8], into: &mut [u8]) -> Result<usize, Refused> {
    match into.get_mut(..bytes.len()) {
        Some(room) => {
            room.copy_from_slice(bytes);
            Ok(bytes.len())
        }
        // What Envoy answers when the place it asks for is not given.
        None => Err(Refused(6)),
    }
}

impl Host for FakeHost {
    fn now_ns(&mut self) -> u64 {
        if self.call("now_ns").is_err() {
            return 0;
        }
        self.now_ns += 1000;
        self.now_ns
    }

    fn map(&mut self, map: Map, into: &mut [u8]) -> Result<usize, Refused> {
        self.call("map")?;
        match self.maps.get(&key(map)) {
            Some(bytes) => give(bytes, into),
            None => Ok(0),
        }
    }

    fn request_header(&mut self, name: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused> {
        self.call("request_header")?;
        let map = self.maps.get(&0).cloned().unwrap_or_default();
        twintap_filter::headers::Pairs::new(&map)
            .find(|pair| pair.name == name)
            .map(|pair| give(pair.value, into))
            .transpose()
    }

    fn set_request_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.call("set_request_header")?;
        self.stamped.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn buffer(&mut self, buffer: Buffer, start: usize, into: &mut [u8]) -> Result<usize, Refused> {
        self.call("buffer")?;
        let bytes = if buffer == Buffer::Configuration {
            &self.config
        } else {
            &self.body
        };
        let rest = bytes.get(start..).unwrap_or_default();
        let len = rest.len().min(into.len());
        give(&rest[..len], into)
    }

    fn property(&mut self, path: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused> {
        self.call("property")?;
        self.asked.push(path.to_vec());
        self.properties
            .get(path)
            .map(|value| give(value, into))
            .transpose()
    }

    fn post(&mut self, root: u32, _back_to: u32, post: Post<'_>) -> Result<u32, Refused> {
        assert!(!self.is_ending, "Envoy crashes if asked for a cluster now");
        self.call("post")?;
        self.next_token += 1;
        self.posts.push(Posted {
            root,
            token: self.next_token,
            cluster: String::from_utf8(post.cluster.to_vec()).unwrap(),
            bytes: post.body.to_vec(),
            batch: RecordBatch::decode(post.body).expect("a batch decodes"),
        });
        Ok(self.next_token)
    }

    fn set_tick_ms(&mut self, period_ms: u32) -> Result<(), Refused> {
        self.call("set_tick_ms")?;
        self.tick_ms = period_ms;
        Ok(())
    }

    fn random(&mut self, into: &mut [u8; 32]) -> Result<(), Refused> {
        self.call("random")?;
        // Never the same twice, always the same in each run.
        *into = [self.calls as u8; 32];
        into[0] ^= (self.calls >> 8) as u8;
        Ok(())
    }

    fn define_metrics(&mut self) -> Result<(), Refused> {
        self.call("define_metrics")
    }

    fn add(&mut self, metric: Metric, amount: i64) -> Result<(), Refused> {
        self.call("add")?;
        assert_ne!(amount, 0, "Envoy refuses to add 0");
        *self.metrics.entry(format!("{metric:?}")).or_default() += amount;
        Ok(())
    }

    fn set(&mut self, metric: Metric, value: u64) -> Result<(), Refused> {
        self.call("set")?;
        self.metrics.insert(format!("{metric:?}"), value as i64);
        Ok(())
    }

    fn done(&mut self, root: u32) -> Result<(), Refused> {
        self.call("done")?;
        self.pending.retain(|_, pending| *pending != root);
        self.done.push(root);
        Ok(())
    }

    fn warn(&mut self, line: &[u8]) {
        self.warnings
            .push(String::from_utf8(line.to_vec()).unwrap());
    }
}

/// How much of everything a rig has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) streams: usize,
    pub(crate) small: usize,
    pub(crate) large: usize,
    pub(crate) hashers: usize,
    pub(crate) slots: usize,
    pub(crate) slot_bytes: usize,
}

pub(crate) const PLENTY: Sizes = Sizes {
    streams: 16,
    small: 64,
    large: 16,
    hashers: 8,
    slots: 8,
    slot_bytes: 256 * 1024,
};

/// A filter and its host.
pub(crate) struct Rig {
    pub(crate) engine: Engine<'static>,
    pub(crate) host: FakeHost,
    next_context: u32,
}

/// Zeroed memory for the rest of the test process: the filter's is static, too.
fn leak<T: Clone>(zero: T, count: usize) -> &'static mut [T] {
    vec![zero; count].leak()
}

impl Rig {
    /// A filter without a root.
    pub(crate) fn bare(sizes: Sizes) -> Self {
        let engine = Engine::new(Memory {
            roots: leak(Root::FREE, 8),
            streams: leak(Stream::FREE, sizes.streams),
            table: leak(Entry::FREE, 64),
            small: leak(SmallPage::EMPTY, sizes.small),
            large: leak(LargePage::EMPTY, sizes.large),
            hashers: leak(Hasher::FREE, sizes.hashers),
            connections: leak(Connection::FREE, 4),
            slots: leak(Slot::FREE, sizes.slots),
            slot_bytes: leak(0, sizes.slots * sizes.slot_bytes),
            slot_bytes_each: sizes.slot_bytes,
            scratch: leak(0, 512 * 1024),
            encoded: leak(0, 64 * 1024),
        });
        let host = FakeHost {
            now_ns: 1_700_000_000_000_000_000,
            refuse_status: 10,
            ..Default::default()
        };
        Self {
            engine,
            host,
            next_context: 100,
        }
    }

    /// A filter with one root, configured by `config`.
    pub(crate) fn new(config: &str) -> Self {
        Self::with_sizes(config, PLENTY)
    }

    pub(crate) fn with_sizes(config: &str, sizes: Sizes) -> Self {
        let mut rig = Self::bare(sizes);
        rig.root(ROOT, config);
        rig
    }

    pub(crate) fn root(&mut self, context: u32, config: &str) {
        self.host.config = config.as_bytes().to_vec();
        self.host.configs.insert(context, config.to_owned());
        self.engine.on_context_create(context, 0);
        self.engine
            .on_configure(&mut self.host, context, config.len());
    }

    pub(crate) fn begin(&mut self, headers: &[(&[u8], &[u8])]) -> u32 {
        self.begin_at(ROOT, headers)
    }

    pub(crate) fn begin_at(&mut self, root: u32, headers: &[(&[u8], &[u8])]) -> u32 {
        self.next_context += 1;
        let context = self.next_context;
        self.host.set_map(Map::RequestHeaders, headers);
        self.engine.on_context_create(context, root);
        self.engine
            .on_request_headers(&mut self.host, context, false);
        context
    }

    pub(crate) fn request(&mut self, context: u32, bytes: &[u8], end: bool) {
        self.host.body = bytes.to_vec();
        self.engine
            .on_request_body(&mut self.host, context, bytes.len(), end);
    }

    pub(crate) fn response(&mut self, context: u32, bytes: &[u8], end: bool) {
        self.host.body = bytes.to_vec();
        self.engine
            .on_response_body(&mut self.host, context, bytes.len(), end);
    }

    pub(crate) fn block(&mut self, context: u32, map: Map, pairs: &[(&[u8], &[u8])], end: bool) {
        self.host.set_map(map, pairs);
        let count = pairs.len() as u32;
        self.engine
            .on_block(&mut self.host, context, map, count, end);
    }

    pub(crate) fn done(&mut self, context: u32) -> bool {
        self.host.is_ending = true;
        let done = self.engine.on_done(&mut self.host, context);
        self.host.is_ending = false;
        if let (false, Some(config)) = (done, self.host.configs.get(&context)) {
            let before = self.host.pending.insert(config.clone(), context);
            self.host
                .destroyed
                .extend(before.filter(|before| *before != context));
        }
        done
    }

    pub(crate) fn tick(&mut self) {
        self.tick_after(50);
    }

    pub(crate) fn tick_after(&mut self, ms: u64) {
        self.host.now_ns += ms * 1_000_000;
        self.engine.on_tick(&mut self.host, ROOT);
    }

    /// As Envoy does it: every root context that is there, and no other.
    pub(crate) fn tick_all_after(&mut self, ms: u64) {
        self.host.now_ns += ms * 1_000_000;
        let contexts: Vec<u32> = self.host.configs.keys().copied().collect();
        for context in contexts {
            if !self.host.is_gone(context) {
                self.engine.on_tick(&mut self.host, context);
            }
        }
    }

    /// Somebody sets the host's clock forward or, if negative, back.
    pub(crate) fn set_clock(&mut self, seconds: i64) {
        let ns = seconds * 1_000_000_000;
        self.host.now_ns = self.host.now_ns.saturating_add_signed(ns);
    }

    /// The collector answers the POST `token`; status 0 is no answer at all.
    pub(crate) fn answer(&mut self, token: u32, status: u16) {
        let root = self
            .host
            .posts
            .iter()
            .find(|post| post.token == token)
            .map_or(ROOT, |p| p.root);
        if self.host.is_gone(root) {
            return;
        }
        let text = status.to_string();
        let acknowledged: (&[u8], &[u8]) = (ACKNOWLEDGED_HEADER.as_bytes(), b"1");
        let answer = [(&b":status"[..], text.as_bytes()), acknowledged];
        let headers = if status == 200 {
            &answer[..]
        } else {
            &answer[..1]
        };
        self.host.set_map(Map::CallResponse, headers);
        let headers = u32::from(status != 0);
        // Envoy itself answers so for a connection that it closes.
        self.host.is_ending = matches!(status, 0 | 503);
        self.engine
            .on_http_call_response(&mut self.host, root, token, headers);
        self.host.is_ending = false;
    }

    /// Answers every POST not answered yet.
    pub(crate) fn answer_all(&mut self, status: u16) {
        let tokens: Vec<u32> = self.host.posts.iter().map(|post| post.token).collect();
        for token in tokens {
            self.answer(token, status);
        }
    }

    /// A whole unary call.
    pub(crate) fn unary(&mut self, request: &[u8], response: &[u8]) -> u32 {
        let context = self.begin(GRPC);
        self.request(context, request, true);
        self.block(context, Map::ResponseHeaders, RESPONSE, false);
        self.response(context, response, false);
        self.block(context, Map::ResponseTrailers, TRAILERS, true);
        self.done(context);
        context
    }

    /// Records posted so far, once each, by number.
    pub(crate) fn records(&self) -> Vec<Record> {
        let by_number: BTreeMap<(Vec<u8>, u64), Record> = self
            .host
            .posts
            .iter()
            .flat_map(|post| post.batch.records.iter().map(move |r| (post, r)))
            .map(|(post, record)| {
                (
                    (post.batch.producer_id.to_vec(), record.number),
                    record.clone(),
                )
            })
            .collect();
        by_number.into_values().collect()
    }

    /// How often `reason` occurred, as the last batch tells.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        let counters = self
            .host
            .posts
            .last()
            .unwrap()
            .batch
            .counters
            .clone()
            .unwrap();
        let reasons = counters.skipped.iter().chain(&counters.dropped);
        reasons
            .filter(|count| count.reason() == reason)
            .map(|count| count.count)
            .sum()
    }

    /// The only record, after a tick.
    pub(crate) fn record(&mut self) -> Record {
        self.tick();
        let records = self.records();
        assert_eq!(records.len(), 1, "one record");
        records.into_iter().next().unwrap()
    }

    pub(crate) fn counters(&mut self) -> twintap_filter::counters::Counters {
        self.engine.counters(ROOT).expect("the root is there")
    }
}

/// A gRPC message with its prefix.
pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) const UPSTREAM: &str = r#"{"position":"upstream","collector_cluster":"collector"}"#;
pub(crate) const INBOUND: &str = r#"{"position":"inbound","collector_cluster":"collector"}"#;

pub(crate) const GRPC: &[(&[u8], &[u8])] = &[
    (b":method", b"POST"),
    (b":path", b"/shop.v1.Cart/Add"),
    (b":authority", b"shop"),
    (b"content-type", b"application/grpc"),
    (b"x-request-id", b"f5a88b34-0a41-4bf4-8c3e-0123456789ab"),
];
pub(crate) const RESPONSE: &[(&[u8], &[u8])] =
    &[(b":status", b"200"), (b"content-type", b"application/grpc")];
pub(crate) const TRAILERS: &[(&[u8], &[u8])] = &[(b"grpc-status", b"0"), (b"grpc-message", b"")];
