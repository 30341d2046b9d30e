//! A wallet that takes no new work for a while. Nothing moves; work that has begun ends as usual.

use std::fmt;
use std::str::FromStr;

use kernel::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::entry::{EntryKind, Terms, named};
use crate::refusal::Refusal;
use crate::wallet::Wallet;

named!(
    /// What ends a restriction before its time.
    StepUp {
        VerifyMail = "verify_mail",
        ConfirmCard = "confirm_card",
        /// Nothing; its time ends it.
        Wait = "wait",
        /// A person decides.
        Review = "review",
    }
);

/// No new work until an instant, or until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The entry that made it: its name, for whoever releases it.
    pub seq: Seq,
    pub since: Timestamp,
    /// Exclusive; `None` until it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub step_up: StepUp,
}

impl Restriction {
    /// Its end is a fact of time: no entry tells of it.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn ends_after(&self, other: Option<Timestamp>) -> bool {
        match (self.until, other) {
            (None, other) => other.is_some(),
            (Some(until), other) => other.is_some_and(|other| until > other),
        }
    }
}

impl Wallet {
    /// The restriction that keeps new work out at `now`.
    pub fn restriction_at(&self, now: Timestamp) -> Option<&Restriction> {
        self.restriction.as_ref().filter(|restriction| restriction.is_in_force(now))
    }
}

/// Replaces the restriction in force, unless that one ends later: nobody shortens another's by restricting
/// again.
pub(crate) fn restrict(draft: &mut Draft, until: Option<Timestamp>, step_up: StepUp) -> Result<(), Refusal> {
    let now = draft.now;
    if let Some(expires_at) = until.filter(|until| *until <= now) {
        return Err(Refusal::ExpiryPassed { expires_at });
    }
    if let Some(longer) = draft.wallet.restriction_at(now).filter(|known| known.ends_after(until)) {
        return Err(Refusal::RestrictedLonger { until: longer.until });
    }
    let made = Restriction { seq: draft.next_seq(), since: now, until, step_up };
    draft.open(EntryKind::Restrict, now, None, Terms::Restriction(Some(made)));
    draft.close();
    Ok(())
}

/// Ends the restriction in force; one that is named, only if it is still that one.
pub(crate) fn release(draft: &mut Draft, restriction: Option<Seq>) -> Result<(), Refusal> {
    let now = draft.now;
    let in_force = draft.wallet.restriction_at(now).ok_or(Refusal::NotRestricted)?;
    if restriction.is_some_and(|named| named != in_force.seq) {
        return Err(Refusal::NotRestricted);
    }
    draft.open(EntryKind::Release, now, None, Terms::Restriction(None));
    draft.close();
    Ok(())
}

/// New work waits until the restriction ends.
pub(crate) fn judge(wallet: &Wallet, now: Timestamp) -> Result<(), Refusal> {
    match wallet.restriction_at(now) {
        Some(Restriction { until, step_up, .. }) => {
            Err(Refusal::Restricted { until: *until, step_up: *step_up })
        }
        None => Ok(()),
    }
}
