//! A module that traps on a request with the header `x-trap`, and else does nothing: what a bug in
//! a filter would do. Tests ask what becomes of the calls.
#![allow(
    missing_docs,
    reason = "the only public item is the entry point that proxy_wasm::main! makes"
)]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Trap));
}}

struct Trap;

impl Context for Trap {}

impl RootContext for Trap {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Trap))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl HttpContext for Trap {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.get_http_request_header("x-trap").is_some() {
            // `unreachable`: it ends the VM.
            std::process::abort();
        }
        Action::Continue
    }
}
