//! The module's exports: what Envoy calls (proxy-wasm ABI 0.2.1).
//!
//! Each hands its arguments on and answers "continue". `proxy_on_log` and `proxy_on_delete`
//! are not exported, so that Envoy does not enter the VM for them: everything ends in
//! `proxy_on_done`, which comes in every position. Nor is `_initialize`:
//! there are no constructors to run.

use super::host::Envoy;
use super::memory::with;
use crate::host::Map;

const CONTINUE: u32 = 0;

unsafe extern "C" {
    /// Defined nowhere. If any panic can be reached, the module imports this, and
    /// `tests/no_trap.rs` fails.
    fn twintap_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: not there to be called; see above.
    unsafe { twintap_panic_is_reachable() }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context: u32, _configuration_size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, size: usize) -> u32 {
    with((), |engine| engine.on_configure(&mut Envoy, context, size));
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    with((), |engine| engine.on_context_create(context, parent));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _count: u32, end_stream: u32) -> u32 {
    with((), |engine| {
        engine.on_request_headers(&mut Envoy, context, end_stream != 0)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end_stream: u32) -> u32 {
    with((), |engine| {
        engine.on_request_body(&mut Envoy, context, size, end_stream != 0)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, count: u32) -> u32 {
    with((), |engine| {
        engine.on_block(&mut Envoy, context, Map::RequestTrailers, count, true)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, count: u32, end_stream: u32) -> u32 {
    let end_stream = end_stream != 0;
    with((), |engine| {
        engine.on_block(&mut Envoy, context, Map::ResponseHeaders, count, end_stream)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end_stream: u32) -> u32 {
    with((), |engine| {
        engine.on_response_body(&mut Envoy, context, size, end_stream != 0)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, count: u32) -> u32 {
    with((), |engine| {
        engine.on_block(&mut Envoy, context, Map::ResponseTrailers, count, true)
    });
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: u32,
    _body_size: usize,
    _trailers: u32,
) {
    with((), |engine| {
        engine.on_http_call_response(&mut Envoy, context, token, headers)
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    with((), |engine| engine.on_tick(&mut Envoy, context));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> u32 {
    with(1, |engine| u32::from(engine.on_done(&mut Envoy, context)))
}
