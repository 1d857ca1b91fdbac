//! Static memory: the budget of one VM, fixed when the module is linked.
//!
//! All of it is zero, so it costs no bytes in the module, and a page the filter never needed is
//! never touched. The sum is checked below; the module's own maximum (`build.rs`) holds the rest.

use core::cell::{Cell, UnsafeCell};

use crate::batch::{BATCH_BYTES, Slot};
use crate::capture::Stream;
use crate::connections::Connection;
use crate::engine::{Engine, Memory};
use crate::hashers::Hasher;
use crate::pages::{LargePage, SmallPage};
use crate::root::{ROOTS_MAX, Root};
use crate::table::Entry;

const SLOTS: usize = 8;
const STREAMS: usize = 1536;
const TABLE: usize = 4096;
const SMALL_PAGES: usize = 1536;
const LARGE_PAGES: usize = 192;
const HASHERS: usize = 512;
const CONNECTIONS: usize = 64;
const SCRATCH_BYTES: usize = 512 * 1024;
const ENCODED_BYTES: usize = 64 * 1024;

/// Memory of a VM that never runs two things at once.
struct Static<T>(UnsafeCell<T>);

// SAFETY: a proxy-wasm VM is single-threaded, and `with` refuses to be entered twice.
unsafe impl<T> Sync for Static<T> {}

static ROOTS: Static<[Root; ROOTS_MAX]> = Static(UnsafeCell::new([Root::FREE; ROOTS_MAX]));
static STREAM: Static<[Stream; STREAMS]> = Static(UnsafeCell::new([Stream::FREE; STREAMS]));
static ENTRY: Static<[Entry; TABLE]> = Static(UnsafeCell::new([Entry::FREE; TABLE]));
static SMALL: Static<[SmallPage; SMALL_PAGES]> =
    Static(UnsafeCell::new([SmallPage::EMPTY; SMALL_PAGES]));
static LARGE: Static<[LargePage; LARGE_PAGES]> =
    Static(UnsafeCell::new([LargePage::EMPTY; LARGE_PAGES]));
static HASHER: Static<[Hasher; HASHERS]> =
    Static(UnsafeCell::new([const { Hasher::FREE }; HASHERS]));
static CONNECTION: Static<[Connection; CONNECTIONS]> =
    Static(UnsafeCell::new([Connection::FREE; CONNECTIONS]));
static SLOT: Static<[Slot; SLOTS]> = Static(UnsafeCell::new([Slot::FREE; SLOTS]));
static SLOT_BYTES: Static<[u8; SLOTS * BATCH_BYTES]> =
    Static(UnsafeCell::new([0; SLOTS * BATCH_BYTES]));
static SCRATCH: Static<[u8; SCRATCH_BYTES]> = Static(UnsafeCell::new([0; SCRATCH_BYTES]));
static ENCODED: Static<[u8; ENCODED_BYTES]> = Static(UnsafeCell::new([0; ENCODED_BYTES]));
static ENGINE: Static<Option<Engine<'static>>> = Static(UnsafeCell::new(None));
static BUSY: Static<Cell<bool>> = Static(UnsafeCell::new(Cell::new(false)));

/// Bytes of all of the above; the stack (128 KiB), constants and the shadow of V8 come on top.
const TOTAL: usize = size_of::<[Root; ROOTS_MAX]>()
    + size_of::<[Stream; STREAMS]>()
    + size_of::<[Entry; TABLE]>()
    + size_of::<[SmallPage; SMALL_PAGES]>()
    + size_of::<[LargePage; LARGE_PAGES]>()
    + size_of::<[Hasher; HASHERS]>()
    + size_of::<[Connection; CONNECTIONS]>()
    + size_of::<[Slot; SLOTS]>()
    + SLOTS * BATCH_BYTES
    + SCRATCH_BYTES
    + ENCODED_BYTES;
const _: () = assert!(TOTAL < 16 * 1024 * 1024 - 256 * 1024);

/// Runs `act` on the filter; `otherwise` if it is at work already, which no host does.
pub(super) fn with<T>(otherwise: T, act: impl FnOnce(&mut Engine<'static>) -> T) -> T {
    // SAFETY: a `Cell` is only ever used by shared reference.
    let busy = unsafe { &*BUSY.0.get() };
    if busy.replace(true) {
        return otherwise;
    }
    // SAFETY: BUSY was false, so no other reference to ENGINE exists.
    let engine = unsafe { &mut *ENGINE.0.get() };
    let answer = act(engine.get_or_insert_with(|| Engine::new(memory())));
    busy.set(false);
    answer
}

/// Called once, when ENGINE is filled.
fn memory() -> Memory<'static> {
    // SAFETY: called once, so each static is borrowed once, for ever.
    unsafe {
        Memory {
            roots: &mut *ROOTS.0.get(),
            streams: &mut *STREAM.0.get(),
            table: &mut *ENTRY.0.get(),
            small: &mut *SMALL.0.get(),
            large: &mut *LARGE.0.get(),
            hashers: &mut *HASHER.0.get(),
            connections: &mut *CONNECTION.0.get(),
            slots: &mut *SLOT.0.get(),
            slot_bytes: &mut *SLOT_BYTES.0.get(),
            slot_bytes_each: BATCH_BYTES,
            scratch: &mut *SCRATCH.0.get(),
            encoded: &mut *ENCODED.0.get(),
        }
    }
}
