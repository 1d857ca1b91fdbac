//! The module cannot trap: proved on the bytes that Envoy loads, not on the source.
//!
//! A trap fails the requests in flight on its worker, so the promise is none. WebAssembly has few
//! ways to trap, and each is excluded here: `unreachable` (every Rust panic ends in one, and the
//! panic handler is an import that must not be there), division and float conversion, indirect
//! calls, and growing memory past its end. A stack that cannot overflow follows from a call graph
//! without cycles. What is left is a load or store out of bounds, which safe Rust excludes; the
//! unsafe code is in `src/wasm/`.
//!
//! Builds the module first; `TWINTAP_FILTER_WASM` names another one to check.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{ExternalKind, MemoryType, Operator, Parser, Payload, TypeRef};

/// What the module may ask of its host.
const ALLOWED_IMPORTS: &[&str] = &[
    "env.proxy_define_metric",
    "env.proxy_done",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_header_map_value",
    "env.proxy_get_property",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_replace_header_map_value",
    "env.proxy_set_effective_context",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.random_get",
];

const PAGES_MAX: u64 = 16 * 1024 * 1024 / 65_536;
const MODULE_BYTES_MAX: usize = 300_000;
const STACK_BYTES: u64 = 128 * 1024;

/// What of the module matters here.
#[derive(Default)]
struct Module {
    imports: Vec<String>,
    imported_functions: u32,
    exports: Vec<(String, u32)>,
    memories: Vec<MemoryType>,
    /// Stack pointer at the start: the end of the stack, which grows down to 0.
    globals: Vec<i64>,
    /// Instructions that trap, by function.
    traps: Vec<(u32, String)>,
    /// Who calls whom.
    calls: BTreeMap<u32, BTreeSet<u32>>,
    /// The largest frame a function takes from the stack.
    frames: BTreeMap<u32, u64>,
}

impl Module {
    fn parse(bytes: &[u8]) -> Self {
        let mut module = Self::default();
        let mut function = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.expect("the module is well-formed") {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.unwrap();
                        if matches!(import.ty, TypeRef::Func(_)) {
                            module.imported_functions += 1;
                        }
                        module
                            .imports
                            .push(format!("{}.{}", import.module, import.name));
                    }
                    function = module.imported_functions;
                }
                Payload::MemorySection(memories) => {
                    module.memories = memories.into_iter().map(Result::unwrap).collect();
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        let mut init = global.unwrap().init_expr.get_operators_reader();
                        if let Ok(Operator::I32Const { value }) = init.read() {
                            module.globals.push(value.into());
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.unwrap();
                        if export.kind == ExternalKind::Func {
                            module.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    module.function(function, body.get_operators_reader().unwrap());
                    function += 1;
                }
                _ => {}
            }
        }
        module
    }

    fn function(&mut self, index: u32, operators: wasmparser::OperatorsReader<'_>) {
        let calls = self.calls.entry(index).or_default();
        let operators: Vec<_> = operators.into_iter().map(Result::unwrap).collect();
        for operator in &operators {
            match operator {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    calls.insert(*function_index);
                }
                operator if traps(operator) => self.traps.push((index, format!("{operator:?}"))),
                _ => {}
            }
        }
        // `global.get $stack; i32.const frame; i32.sub` opens every frame.
        for window in operators.windows(3) {
            if let [
                Operator::GlobalGet { global_index: 0 },
                Operator::I32Const { value },
                Operator::I32Sub,
            ] = window
            {
                let frame = self.frames.entry(index).or_default();
                *frame = (*frame).max(u64::try_from(*value).unwrap());
            }
        }
    }

    /// The most stack any chain of calls from `function` takes; `Err` names a cycle.
    fn stack(&self, function: u32, path: &mut Vec<u32>) -> Result<u64, Vec<u32>> {
        if path.contains(&function) {
            return Err(path.clone());
        }
        path.push(function);
        let mut deepest = 0;
        for callee in self.calls.get(&function).into_iter().flatten() {
            deepest = deepest.max(self.stack(*callee, path)?);
        }
        path.pop();
        Ok(deepest + self.frames.get(&function).copied().unwrap_or(0))
    }
}

/// Can the instruction trap, whatever safe Rust does? Loads and stores are the compiler's word.
fn traps(operator: &Operator<'_>) -> bool {
    let name = format!("{operator:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default();
    matches!(
        operator,
        Operator::Unreachable | Operator::MemoryGrow { .. }
    ) || name.contains("Div") && !name.starts_with('F')
        || name.contains("Rem")
        || name.starts_with("I32TruncF")
        || name.starts_with("I64TruncF")
        || name.contains("CallIndirect")
        || name.contains("CallRef")
        || name.starts_with("Table")
        || name.contains("Throw")
        || name.contains("Atomic")
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in a workspace")
        .to_owned()
}

/// The module's bytes, built if no other is named.
fn module_bytes() -> Vec<u8> {
    let path = match std::env::var_os("TWINTAP_FILTER_WASM") {
        Some(path) => PathBuf::from(path),
        None => build(),
    };
    std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn build() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    let built = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args([
            "build",
            "-p",
            "twintap-filter",
            "--target",
            "wasm32-wasip1",
            "--profile",
            "wasm",
        ])
        .arg("--target-dir")
        .arg(&target)
        // What the native build sets for itself must not reach the module.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    assert!(
        built.status.success(),
        "the module does not build; is the target there (rustup target add wasm32-wasip1)?\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    target.join("wasm32-wasip1/wasm/twintap_filter.wasm")
}

#[test]
fn the_module_cannot_trap() {
    let bytes = module_bytes();
    let module = Module::parse(&bytes);

    // No way out but the host calls listed: in particular not `twintap_panic_is_reachable`.
    let unknown: Vec<_> = module
        .imports
        .iter()
        .filter(|name| !ALLOWED_IMPORTS.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "imports beyond the list: {unknown:?}");

    assert!(
        module.traps.is_empty(),
        "instructions that can trap: {:?}",
        module.traps
    );

    // Memory is fixed and declared.
    let [memory] = module.memories[..] else {
        panic!("not one memory: {:?}", module.memories)
    };
    let maximum = memory.maximum.expect("the module declares a maximum");
    assert!(maximum <= PAGES_MAX, "{maximum} pages");

    // The stack lies below everything else and holds the deepest chain of calls.
    assert_eq!(
        module.globals.first(),
        Some(&(STACK_BYTES as i64)),
        "the stack is not first"
    );
    let mut deepest = 0;
    for (name, function) in &module.exports {
        match module.stack(*function, &mut Vec::new()) {
            Ok(stack) => deepest = deepest.max(stack),
            Err(cycle) => panic!("recursion from {name}: {cycle:?}"),
        }
    }
    assert!(
        deepest < STACK_BYTES,
        "calls may need {deepest} of {STACK_BYTES} bytes of stack"
    );

    assert!(
        bytes.len() <= MODULE_BYTES_MAX,
        "the module has {} bytes",
        bytes.len()
    );
    println!(
        "{} bytes, {} imports, {} of {maximum} pages, {deepest} bytes of stack",
        bytes.len(),
        module.imports.len(),
        memory.initial
    );
}

#[test]
fn the_checker_sees_what_it_looks_for() {
    // (module (func (export "f") (call 0)) (func unreachable)), by hand.
    let bytes = [
        0, b'a', b's', b'm', 1, 0, 0, 0, // magic, version
        1, 4, 1, 0x60, 0, 0, // type section: () -> ()
        3, 3, 2, 0, 0, // two functions
        7, 5, 1, 1, b'f', 0, 0, // export function 0 as "f"
        10, 10, 2, 4, 0, 0x10, 0, 0x0b, 3, 0, 0, 0x0b, // call 0; unreachable
    ];
    let module = Module::parse(&bytes);
    assert_eq!(module.traps.len(), 1);
    assert!(module.stack(0, &mut Vec::new()).is_err());
}
