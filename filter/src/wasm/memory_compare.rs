//! `memcmp`, which the compiler emits for comparing slices and no library here provides.

/// C's `memcmp`.
///
/// # Safety
/// Both pointers must be good for `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    let mut at = 0_usize;
    while at < len {
        // SAFETY: `at` is below `len`.
        let (l, r) = unsafe { (left.add(at).read(), right.add(at).read()) };
        if l != r {
            return i32::from(l).wrapping_sub(i32::from(r));
        }
        at = at.wrapping_add(1);
    }
    0
}
