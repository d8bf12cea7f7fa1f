//! What to do next about authorities and certificates. Pure, but for the keys that a step makes.
//!
//! ```text
//!            Begin                Announce               Spread                 Promote              Retire
//! (nothing) ──────► authority ───────────────► + next ───────────► + since ──────────────► authority ───────► authority
//!                   leaf          old age       leaf   in all       leaf     24 h, or all   leaf (new) 24 h    leaf
//!                                                      bundles               say so         retired
//! ```
//!
//! `RenewLeaf` is possible in every state, and changes nothing else.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::issue::{self, BACKDATED, IssueError};
use super::renewal::Spread;
use super::stored::StoredCertificates;
use super::x509::{Certificate, CertificatePair};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// An authority with less than a year left is replaced: time enough for a cluster that is switched off now and then.
const OLD_AGE: i64 = 365 * DAY;

/// One write of the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStep {
    /// Nothing, until then or until something changes.
    Keep { until: Timestamp },
    /// Nothing: what there is, is valid only then, by a clock that is wrong here or was where it was made.
    Early { from: Timestamp },
    /// There is no authority to go on with: a new one, and a certificate under it. Clients trust it when they have been told.
    Begin,
    /// A certificate under the same authority.
    RenewLeaf,
    /// The next authority, which only bundles have.
    Announce,
    /// It stands in every bundle: the day begins.
    Spread,
    /// The next authority signs, and the one before is trusted for a while.
    Promote,
    /// The one before is not trusted any more.
    Retire,
}

/// What comes next.
#[must_use]
pub fn next(held: &StoredCertificates, now: Timestamp, names: &[String], spread: &dyn Spread) -> CertificateStep {
    let usable = |pair: &Option<CertificatePair>| pair.as_ref().is_some_and(|pair| pair.certificate.is_valid_at(now));
    let Some(authority) = held.authority.as_ref().filter(|_| usable(&held.authority)) else {
        return match [&held.authority, &held.next].into_iter().find_map(|pair| early(pair, now)) {
            _ if usable(&held.next) => CertificateStep::Promote,
            // Everybody trusts it, and it lasts for years: a clock that goes wrong must not take that away.
            Some(from) => CertificateStep::Early { from },
            None => CertificateStep::Begin,
        };
    };
    let authority = &authority.certificate;
    let Some(leaf) = held.leaf.as_ref().filter(|leaf| leaf.certificate.vouches(names, authority, now).is_ok()) else {
        return CertificateStep::RenewLeaf;
    };
    let due = renewal(&leaf.certificate, authority);
    if due <= now {
        return CertificateStep::RenewLeaf;
    }
    if held.retired.is_some() {
        // The certificate is at least as old as the promotion.
        let over = after(leaf.certificate.not_before, BACKDATED.as_secs() as i64 + DAY);
        return if over <= now { CertificateStep::Retire } else { CertificateStep::Keep { until: over.min(due) } };
    }
    if !usable(&held.next) {
        let old = after(authority.not_after, -OLD_AGE);
        // One that is there and can't be used is replaced, too.
        return if old <= now || held.next.is_some() {
            CertificateStep::Announce
        } else {
            CertificateStep::Keep { until: old.min(due) }
        };
    }
    let fingerprint = held.next.as_ref().map_or("", |next| next.certificate.fingerprint.as_str());
    match held.since {
        // By a clock that has been put back since, or that never was right.
        Some(since) if since > after(now, HOUR) => stamp(spread, fingerprint, due),
        Some(since) if after(since, DAY) <= now || spread.trusted(fingerprint) => CertificateStep::Promote,
        Some(since) => CertificateStep::Keep { until: after(since, DAY).min(due) },
        None => stamp(spread, fingerprint, due),
    }
}

/// From when it is valid, where that is still to come.
fn early(pair: &Option<CertificatePair>, now: Timestamp) -> Option<Timestamp> {
    pair.as_ref().map(|pair| pair.certificate.not_before).filter(|from| *from > now)
}

fn stamp(spread: &dyn Spread, fingerprint: &str, due: Timestamp) -> CertificateStep {
    if spread.written(fingerprint) { CertificateStep::Spread } else { CertificateStep::Keep { until: due } }
}

/// What there is after the step.
///
/// # Errors
/// `IssueError`.
pub fn take(
    step: CertificateStep,
    held: &StoredCertificates,
    now: Timestamp,
    names: &[String],
) -> Result<StoredCertificates, IssueError> {
    let held = held.clone();
    match step {
        CertificateStep::Keep { .. } | CertificateStep::Early { .. } => Ok(held),
        CertificateStep::Begin => {
            let authority = issue::authority(now)?;
            let leaf = issue::leaf(&authority, names, now)?;
            Ok(StoredCertificates { authority: Some(authority), leaf: Some(leaf), ..StoredCertificates::default() })
        }
        CertificateStep::RenewLeaf => match &held.authority {
            Some(authority) => Ok(StoredCertificates { leaf: Some(issue::leaf(authority, names, now)?), ..held }),
            None => take(CertificateStep::Begin, &held, now, names),
        },
        CertificateStep::Announce => Ok(StoredCertificates { next: Some(issue::authority(now)?), since: None, ..held }),
        CertificateStep::Spread => Ok(StoredCertificates { since: Some(now), ..held }),
        CertificateStep::Promote => match held.next {
            Some(next) => {
                let leaf = issue::leaf(&next, names, now)?;
                let retired = held.authority.map(|authority| authority.certificate);
                Ok(StoredCertificates { authority: Some(next), next: None, since: None, retired, leaf: Some(leaf) })
            }
            None => take(CertificateStep::Begin, &StoredCertificates::default(), now, names),
        },
        CertificateStep::Retire => Ok(StoredCertificates { retired: None, ..held }),
    }
}

/// How often the certificate is renewed at the most. Replicas that don't agree about it, by their names or their clocks, would
/// else take turns as fast as the API server answers.
const RENEWALS: Duration = Duration::from_secs(60);

/// The renewals of one replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Renewals(Option<Instant>);

impl Renewals {
    /// Whether the step may be taken now.
    #[must_use]
    pub fn allow(self, step: CertificateStep, now: Instant) -> bool {
        step != CertificateStep::RenewLeaf || self.0.is_none_or(|last| now.duration_since(last) >= RENEWALS)
    }

    /// The step was taken, or another replica was quicker.
    pub fn took(&mut self, step: CertificateStep, now: Instant) {
        if step == CertificateStep::RenewLeaf {
            self.0 = Some(now);
        }
    }
}

/// At two thirds of its life; one that lives as long as its authority can't get older.
fn renewal(leaf: &Certificate, authority: &Certificate) -> Timestamp {
    if leaf.not_after >= authority.not_after {
        return authority.not_after;
    }
    let life = leaf.not_after.as_second() - leaf.not_before.as_second();
    after(leaf.not_before, life / 3 * 2)
}

/// The end of time, where it would be beyond it.
fn after(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}
