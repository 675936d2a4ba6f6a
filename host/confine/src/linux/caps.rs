//! Capabilities: all there are to build the room, none to run in it.

use rustix::process::getegid;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs, set_thread_groups,
};

use super::wire::{Failure, Needing as _};
use crate::{Needed, Privilege};

/// Keeps what the helper has over the execution of process 1, also for a user who is not 0.
pub(super) fn keep_over_exec() -> Result<(), Failure> {
    let mut sets = capabilities(None).needing(Needed::Capabilities, "capget")?;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).needing(Needed::Capabilities, "capset")?;
    for capability in each().filter(|capability| sets.permitted.contains(*capability)) {
        configure_capability_in_ambient_set(capability, true)
            .needing(Needed::Capabilities, "raise ambient")?;
    }
    Ok(())
}

/// No program gains rights by being executed.
pub(super) fn no_new_privs() -> Result<(), Failure> {
    set_no_new_privs(true).needing(Needed::NoNewPrivs, "set no_new_privs")
}

/// Drops every capability from every set, for good: also a program of user 0 has none.
pub(super) fn drop_all(privilege: Privilege) -> Result<(), Failure> {
    if privilege == Privilege::Root {
        set_thread_groups(&[getegid()])
            .needing(Needed::Capabilities, "drop supplementary groups")?;
    }
    clear_ambient_capability_set().needing(Needed::Capabilities, "clear the ambient set")?;
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
    .needing(Needed::Capabilities, "set securebits")?;
    for capability in each() {
        match capability_is_in_bounding_set(capability) {
            Ok(true) => remove_capability_from_bounding_set(capability)
                .needing(Needed::Capabilities, "drop from the bounding set")?,
            Ok(false) => {}
            Err(_) => break, // beyond the kernel's last
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .needing(Needed::Capabilities, "capset")
}

/// Every capability by number, also those that have no name here yet.
fn each() -> impl Iterator<Item = CapabilitySet> {
    (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number))
}
