//! The host's imports (proxy-wasm ABI 0.2.1, WASI preview 1), each answering with its status.
//!
//! What the host returns it writes where [`proxy_on_memory_allocate`] says. That is not an
//! allocator: before a call that returns bytes, the place for them is made ready (`LANDING`), and
//! the host gets that or, if its bytes would not fit, nothing; it then answers with a status.

use core::cell::Cell;

use crate::host::{Buffer, Host, METRICS, Map, Metric, Post, Refused};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max_size: usize,
        data: *mut usize,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut usize, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut usize,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut usize,
        size: *mut usize,
    ) -> u32;
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(buffer: *mut u8, size: usize) -> u32;
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const LOG_WARN: u32 = 3;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;

/// State of the boundary: cells, so that `proxy_on_memory_allocate` may run within a host call.
struct Boundary {
    /// Address and length of the place for what the host returns next.
    landing: Cell<(usize, usize)>,
    /// Ids of [`METRICS`] plus 1; 0 if not defined.
    metrics: [Cell<u64>; METRICS.len()],
}

// SAFETY: a proxy-wasm VM is single-threaded.
unsafe impl Sync for Boundary {}

static BOUNDARY: Boundary = Boundary {
    landing: Cell::new((0, 0)),
    metrics: [const { Cell::new(0) }; METRICS.len()],
};

/// The host asks where to write `size` bytes.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> usize {
    let (address, len) = BOUNDARY.landing.get();
    if size <= len { address } else { 0 }
}

/// Runs `call`, which returns bytes, with `into` as the place for them.
fn receive(
    into: &mut [u8],
    call: impl FnOnce(*mut usize, *mut usize) -> u32,
) -> Result<usize, Refused> {
    let (mut data, mut size) = (0_usize, 0_usize);
    let address = into.as_mut_ptr() as usize;
    BOUNDARY.landing.set((address, into.len()));
    let status = call(&raw mut data, &raw mut size);
    BOUNDARY.landing.set((0, 0));
    match status {
        OK if size == 0 => Ok(0),
        OK if data == address && size <= into.len() => Ok(size),
        OK => Err(Refused::ODD),
        status => Err(Refused(status)),
    }
}

fn answer(status: u32) -> Result<(), Refused> {
    if status == OK {
        Ok(())
    } else {
        Err(Refused(status))
    }
}

fn or_none(received: Result<usize, Refused>) -> Result<Option<usize>, Refused> {
    match received {
        Ok(len) => Ok(Some(len)),
        Err(Refused(NOT_FOUND)) => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn map_number(map: Map) -> u32 {
    match map {
        Map::RequestHeaders => 0,
        Map::RequestTrailers => 1,
        Map::ResponseHeaders => 2,
        Map::ResponseTrailers => 3,
        Map::CallResponse => 6,
    }
}

fn buffer_number(buffer: Buffer) -> u32 {
    match buffer {
        Buffer::RequestBody => 0,
        Buffer::ResponseBody => 1,
        Buffer::Configuration => 7,
    }
}

fn metric_id(metric: Metric) -> Result<u32, Refused> {
    METRICS
        .iter()
        .position(|(known, _)| *known == metric)
        .and_then(|index| BOUNDARY.metrics.get(index)?.get().checked_sub(1))
        .and_then(|id| u32::try_from(id).ok())
        .ok_or(Refused::ODD)
}

/// The real host.
pub(super) struct Envoy;

// SAFETY of all calls below: pointers and sizes are those of live slices and locals, the host reads
// or writes them during the call only.
impl Host for Envoy {
    fn now_ns(&mut self) -> u64 {
        let mut now_ns = 0;
        let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut now_ns) };
        if status == OK { now_ns } else { 0 }
    }

    fn map(&mut self, map: Map, into: &mut [u8]) -> Result<usize, Refused> {
        receive(into, |data, size| unsafe {
            proxy_get_header_map_pairs(map_number(map), data, size)
        })
    }

    fn request_header(&mut self, name: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused> {
        or_none(receive(into, |data, size| unsafe {
            proxy_get_header_map_value(0, name.as_ptr(), name.len(), data, size)
        }))
    }

    fn set_request_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        answer(unsafe {
            proxy_replace_header_map_value(
                0,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn buffer(&mut self, buffer: Buffer, start: usize, into: &mut [u8]) -> Result<usize, Refused> {
        let max_size = into.len();
        receive(into, |data, size| unsafe {
            proxy_get_buffer_bytes(buffer_number(buffer), start, max_size, data, size)
        })
    }

    fn property(&mut self, path: &[u8], into: &mut [u8]) -> Result<Option<usize>, Refused> {
        or_none(receive(into, |data, size| unsafe {
            proxy_get_property(path.as_ptr(), path.len(), data, size)
        }))
    }

    fn post(&mut self, root: u32, back_to: u32, post: Post<'_>) -> Result<u32, Refused> {
        if root != back_to {
            answer(unsafe { proxy_set_effective_context(root) })?;
        }
        let mut token = 0;
        let no_trailers = [0_u8; 4];
        let status = unsafe {
            proxy_http_call(
                post.cluster.as_ptr(),
                post.cluster.len(),
                post.headers.as_ptr(),
                post.headers.len(),
                post.body.as_ptr(),
                post.body.len(),
                no_trailers.as_ptr(),
                no_trailers.len(),
                post.timeout_ms,
                &raw mut token,
            )
        };
        if root != back_to {
            // Refused only for a context that does not exist; the callback is that context's.
            let _answered = unsafe { proxy_set_effective_context(back_to) };
        }
        answer(status).map(|()| token)
    }

    fn set_tick_ms(&mut self, period_ms: u32) -> Result<(), Refused> {
        answer(unsafe { proxy_set_tick_period_milliseconds(period_ms) })
    }

    fn random(&mut self, into: &mut [u8; 32]) -> Result<(), Refused> {
        answer(unsafe { random_get(into.as_mut_ptr(), into.len()) })
    }

    fn define_metrics(&mut self) -> Result<(), Refused> {
        for ((metric, name), place) in METRICS.iter().zip(&BOUNDARY.metrics) {
            if place.get() != 0 {
                continue;
            }
            let kind = match metric {
                Metric::ConfigInvalid | Metric::Heartbeat => GAUGE,
                _ => COUNTER,
            };
            let mut id = 0;
            answer(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) })?;
            place.set(u64::from(id).saturating_add(1));
        }
        Ok(())
    }

    fn add(&mut self, metric: Metric, amount: i64) -> Result<(), Refused> {
        let id = metric_id(metric)?;
        answer(unsafe { proxy_increment_metric(id, amount) })
    }

    fn set(&mut self, metric: Metric, value: u64) -> Result<(), Refused> {
        let id = metric_id(metric)?;
        answer(unsafe { proxy_record_metric(id, value) })
    }

    fn done(&mut self, root: u32) -> Result<(), Refused> {
        answer(unsafe { proxy_set_effective_context(root) })?;
        answer(unsafe { proxy_done() })
    }

    fn warn(&mut self, line: &[u8]) {
        // Nothing to do about a log that refuses.
        let _answered = unsafe { proxy_log(LOG_WARN, line.as_ptr(), line.len()) };
    }
}
