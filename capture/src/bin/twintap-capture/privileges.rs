//! Drops privileges: first all that opening does not need, then the rest, for good.
//!
//! The calls are per thread; this program has one.

use std::io;

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user and the group `nobody`: the kernel's own numbers for whoever is nobody.
const NOBODY: u32 = 65534;
/// Opening needs the first, dropping the others.
const NEEDED: CapabilitySet = CapabilitySet::NET_RAW
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID);
const NONE: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};

/// Keeps CAP_NET_RAW, and what dropping it later takes.
pub(crate) fn keep_what_opening_needs() -> io::Result<()> {
    let kept = capabilities(None)?.permitted & NEEDED;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// Drops everything that there is: bounding set, supplementary groups, group, user, capabilities, and
/// the way to new ones. Fails if anything is left.
pub(crate) fn drop_all() -> io::Result<()> {
    let held = capabilities(None)?.effective;
    if held.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set()?;
    }
    if held.contains(CapabilitySet::SETGID) {
        unless_unmapped(set_thread_groups(&[]))?;
        let nobody = Gid::from_raw(NOBODY);
        unless_unmapped(set_thread_res_gid(nobody, nobody, nobody))?;
    }
    if held.contains(CapabilitySet::SETUID) && geteuid().is_root() {
        let nobody = Uid::from_raw(NOBODY);
        unless_unmapped(set_thread_res_uid(nobody, nobody, nobody))?;
    }
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    set_capabilities(None, NONE)?;
    if capabilities(None)? == NONE {
        Ok(())
    } else {
        Err(io::Error::other("capabilities are left"))
    }
}

fn empty_bounding_set() -> io::Result<()> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the last one that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A container may have no `nobody`, or be forbidden to drop groups; its root has no capabilities then
/// either way.
fn unless_unmapped(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
