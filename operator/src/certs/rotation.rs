//! Decides the next step for authorities and certificates. Pure, except for the keys that a step generates.
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
/// An authority with less than a year left is replaced. That is enough for a cluster that is switched off for months.
const OLD_AGE: i64 = 365 * DAY;

/// One step, which is one write of the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateStep {
    /// Do nothing until that time, or until something changes.
    Keep { until: Timestamp },
    /// Do nothing: the certificates are valid only from that time on. Either this clock is wrong, or the one that they
    /// were issued by was.
    Early { from: Timestamp },
    /// There is no usable authority: create one, and a certificate under it. Clients trust it once they have the new
    /// bundle.
    Begin,
    /// Issue a certificate under the same authority.
    RenewLeaf,
    /// Create the next authority, which only goes into bundles.
    Announce,
    /// Every bundle has the next authority: record the time, from which a day counts.
    Spread,
    /// The next authority signs from now on. The previous one stays trusted for a while.
    Promote,
    /// Stop trusting the previous authority.
    Retire,
}

/// Returns the next step.
#[must_use]
pub fn next(stored: &StoredCertificates, now: Timestamp, names: &[String], spread: &dyn Spread) -> CertificateStep {
    let usable = |pair: &Option<CertificatePair>| pair.as_ref().is_some_and(|pair| pair.certificate.is_valid_at(now));
    let Some(authority) = stored.authority.as_ref().filter(|_| usable(&stored.authority)) else {
        return match [&stored.authority, &stored.next].into_iter().find_map(|pair| early(pair, now)) {
            _ if usable(&stored.next) => CertificateStep::Promote,
            // Clients trust this authority for years. A wrong clock must not replace it.
            Some(from) => CertificateStep::Early { from },
            None => CertificateStep::Begin,
        };
    };
    let authority = &authority.certificate;
    let Some(leaf) = stored.leaf.as_ref().filter(|leaf| leaf.certificate.verify_for(names, authority, now).is_ok())
    else {
        return CertificateStep::RenewLeaf;
    };
    let due = renewal(&leaf.certificate, authority);
    if due <= now {
        return CertificateStep::RenewLeaf;
    }
    if stored.retired.is_some() {
        // The certificate is at least as old as the promotion.
        let end = after(leaf.certificate.not_before, BACKDATED.as_secs() as i64 + DAY);
        return if end <= now { CertificateStep::Retire } else { CertificateStep::Keep { until: end.min(due) } };
    }
    if !usable(&stored.next) {
        let old = after(authority.not_after, -OLD_AGE);
        // A next authority that cannot be used is replaced as well.
        return if old <= now || stored.next.is_some() {
            CertificateStep::Announce
        } else {
            CertificateStep::Keep { until: old.min(due) }
        };
    }
    let fingerprint = stored.next.as_ref().map_or("", |next| next.certificate.fingerprint.as_str());
    match stored.since {
        // The recorded time is in the future: the clock was wrong then, or is wrong now.
        Some(since) if since > after(now, HOUR) => stamp(spread, fingerprint, due),
        Some(since) if after(since, DAY) <= now || spread.trusted(fingerprint) => CertificateStep::Promote,
        Some(since) => CertificateStep::Keep { until: after(since, DAY).min(due) },
        None => stamp(spread, fingerprint, due),
    }
}

/// The start of its validity, if that is in the future.
fn early(pair: &Option<CertificatePair>, now: Timestamp) -> Option<Timestamp> {
    pair.as_ref().map(|pair| pair.certificate.not_before).filter(|from| *from > now)
}

fn stamp(spread: &dyn Spread, fingerprint: &str, due: Timestamp) -> CertificateStep {
    if spread.written(fingerprint) { CertificateStep::Spread } else { CertificateStep::Keep { until: due } }
}

/// Returns the certificates after the step.
///
/// # Errors
/// `IssueError`.
pub fn perform(
    step: CertificateStep,
    stored: &StoredCertificates,
    now: Timestamp,
    names: &[String],
) -> Result<StoredCertificates, IssueError> {
    let stored = stored.clone();
    match step {
        CertificateStep::Keep { .. } | CertificateStep::Early { .. } => Ok(stored),
        CertificateStep::Begin => {
            let authority = issue::authority(now)?;
            let leaf = issue::leaf(&authority, names, now)?;
            Ok(StoredCertificates { authority: Some(authority), leaf: Some(leaf), ..StoredCertificates::default() })
        }
        CertificateStep::RenewLeaf => match &stored.authority {
            Some(authority) => Ok(StoredCertificates { leaf: Some(issue::leaf(authority, names, now)?), ..stored }),
            None => perform(CertificateStep::Begin, &stored, now, names),
        },
        CertificateStep::Announce => {
            Ok(StoredCertificates { next: Some(issue::authority(now)?), since: None, ..stored })
        }
        CertificateStep::Spread => Ok(StoredCertificates { since: Some(now), ..stored }),
        CertificateStep::Promote => match stored.next {
            Some(next) => {
                let leaf = issue::leaf(&next, names, now)?;
                let retired = stored.authority.map(|authority| authority.certificate);
                Ok(StoredCertificates { authority: Some(next), next: None, since: None, retired, leaf: Some(leaf) })
            }
            None => perform(CertificateStep::Begin, &StoredCertificates::default(), now, names),
        },
        CertificateStep::Retire => Ok(StoredCertificates { retired: None, ..stored }),
    }
}

/// The shortest time between two renewals. Replicas that disagree about the names or the time would otherwise renew in
/// turn, as fast as the API server answers.
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

    /// Records that the step was taken, or that another replica took it first.
    pub fn record(&mut self, step: CertificateStep, now: Instant) {
        if step == CertificateStep::RenewLeaf {
            self.0 = Some(now);
        }
    }
}

/// After two thirds of the validity. A certificate that ends with its authority is renewed only then, because a new one
/// could not last longer.
fn renewal(leaf: &Certificate, authority: &Certificate) -> Timestamp {
    if leaf.not_after >= authority.not_after {
        return authority.not_after;
    }
    let life = leaf.not_after.as_second() - leaf.not_before.as_second();
    after(leaf.not_before, life / 3 * 2)
}

/// Adds seconds, up to the latest time that can be represented.
fn after(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}
