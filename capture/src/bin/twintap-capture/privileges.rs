//! Drops privileges: first all that opening does not need, then the rest, for good.
//!
//! Who was root is `nobody` then. The one exception: a user namespace that has no `nobody`, as of a
//! container without root; its root is left, which is some user without privileges outside. A user
//! other than root stays who it is.
//!
//! The calls are per thread; this program has one.

use std::io;

use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

/// The user and the group `nobody`: the kernel's own numbers for whoever is nobody.
const NOBODY: u32 = 65534;
/// Which numbers of users and groups this user namespace has: first inside, first outside, how many.
const UID_MAP: &str = "/proc/self/uid_map";
const GID_MAP: &str = "/proc/self/gid_map";
/// Whether this user namespace may drop groups: `allow` or `deny`.
const SETGROUPS: &str = "/proc/self/setgroups";
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
    let was_root = getuid().is_root() || geteuid().is_root();
    if held.contains(CapabilitySet::SETGID) {
        unless_denied(set_thread_groups(&[]))?;
        let nobody = Gid::from_raw(NOBODY);
        unless_unmapped(set_thread_res_gid(nobody, nobody, nobody), GID_MAP)?;
    }
    if held.contains(CapabilitySet::SETUID) && was_root {
        let nobody = Uid::from_raw(NOBODY);
        unless_unmapped(set_thread_res_uid(nobody, nobody, nobody), UID_MAP)?;
    }
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    set_capabilities(None, NONE)?;
    if capabilities(None)? != NONE {
        return Err(io::Error::other("capabilities are left"));
    }
    if was_root {
        let is_root = getuid().is_root() || geteuid().is_root();
        let is_root_group = getgid().is_root() || getegid().is_root();
        must_not_be("user", is_root, "CAP_SETUID", UID_MAP)?;
        must_not_be("group", is_root_group, "CAP_SETGID", GID_MAP)?;
    }
    Ok(())
}

/// Fails if this still is root although there is a `nobody`.
fn must_not_be(what: &str, is_root: bool, capability: &str, map: &str) -> io::Result<()> {
    if !is_root || !has_nobody(map) {
        return Ok(());
    }
    let message = format!(
        "it would stay {what} root: run it as another user, with cap_net_raw+ep of its file, \
         or leave it {capability}"
    );
    Err(io::Error::other(message))
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

/// A container may have no `nobody`.
fn unless_unmapped(result: rustix::io::Result<()>, map: &str) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::INVAL) if !has_nobody(map) => Ok(()),
        result => Ok(result?),
    }
}

/// A user namespace made without privileges must not drop groups.
fn unless_denied(result: rustix::io::Result<()>) -> io::Result<()> {
    let is_denied =
        || std::fs::read_to_string(SETGROUPS).is_ok_and(|setgroups| setgroups.trim() == "deny");
    match result {
        Err(rustix::io::Errno::PERM) if is_denied() => Ok(()),
        result => Ok(result?),
    }
}

/// Does this user namespace have `nobody`? If nothing tells, it does.
fn has_nobody(map: &str) -> bool {
    std::fs::read_to_string(map).map_or(true, |map| is_mapped(&map, NOBODY))
}

/// Has a map of [`UID_MAP`]'s form this number inside? A line that is none has them all.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                id.checked_sub(first).is_some_and(|offset| offset < count)
            }
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_the_numbers_of_its_map() {
        let host = "         0          0 4294967295\n";
        assert!(is_mapped(host, NOBODY));
        let rootless = "         0       1000          1\n         1     100000      65533\n";
        assert!(!is_mapped(rootless, NOBODY));
        assert!(is_mapped(rootless, 65533));
        assert!(is_mapped("65534 1000 1\n", NOBODY));
        assert!(!is_mapped("", NOBODY));
    }

    #[test]
    fn a_map_that_is_none_is_no_excuse() {
        assert!(is_mapped("what\n", NOBODY));
        assert!(has_nobody("/nowhere/uid_map"));
    }

    #[test]
    fn a_refusal_counts_where_there_is_a_nobody() {
        use rustix::io::Errno;
        let nowhere = "/nowhere/uid_map";
        assert!(unless_unmapped(Err(Errno::PERM), nowhere).is_err());
        assert!(unless_unmapped(Err(Errno::INVAL), nowhere).is_err());
        assert!(must_not_be("user", true, "CAP_SETUID", nowhere).is_err());
        assert!(must_not_be("user", false, "CAP_SETUID", nowhere).is_ok());
    }
}
