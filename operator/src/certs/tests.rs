//! The life of three authorities, in which the replica is killed after every step.

use std::cell::Cell;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::Instant;

use super::issue;
use super::renewal::Spread;
use super::rotation::{CertificateStep, Renewals, next, perform};
use super::stored::StoredCertificates;
use super::x509::{Certificate, CertificateError, CertificatePair};
use super::{CaBundle, fingerprints};

/// How far the next authority has spread.
#[derive(Default)]
struct FakeSpread {
    written: bool,
    trusted: bool,
}

impl Spread for FakeSpread {
    fn written(&self, _: &str) -> bool {
        self.written
    }

    fn trusted(&self, _: &str) -> bool {
        self.trusted
    }
}

fn names() -> Vec<String> {
    vec!["outrigger.outrigger-system.svc".to_owned(), "outrigger.outrigger-system.svc.cluster.local".to_owned()]
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn hours(time: Timestamp, hours: i64) -> Timestamp {
    time + hours.hours()
}

const DAY: i64 = 24;
const YEAR: i64 = 365 * DAY;

/// Whether a client that trusts the bundle accepts the certificate for every name.
fn is_trusted(stored: &StoredCertificates, bundle: &CaBundle, now: Timestamp) -> bool {
    let Some(leaf) = &stored.leaf else { return false };
    let authorities = CertificateDer::pem_slice_iter(bundle.pem.as_bytes()).count();
    let each = bundle.pem.split_inclusive("-----END CERTIFICATE-----").filter_map(|pem| Certificate::read(pem).ok());
    let each: Vec<_> = each.collect();
    assert_eq!(each.len(), authorities);
    each.iter().any(|authority| leaf.certificate.verify_for(&names(), authority, now).is_ok())
}

/// A replica that is killed after each step, so that it knows only what was written.
struct ReplicaLife {
    stored: StoredCertificates,
    now: Timestamp,
    steps: Vec<&'static str>,
}

impl ReplicaLife {
    fn new() -> Self {
        ReplicaLife { stored: StoredCertificates::default(), now: at("2026-01-01T00:00:00Z"), steps: Vec::new() }
    }

    fn run(&mut self, spread: &FakeSpread) {
        for _ in 0..8 {
            let step = next(&self.stored, self.now, &names(), spread);
            let before = self.stored.bundle();
            match step {
                CertificateStep::Keep { until } => {
                    assert!(until > self.now, "it would loop");
                    return;
                }
                step => self.steps.push(word(step)),
            }
            let taken = perform(step, &self.stored, self.now, &names()).unwrap();
            // The process dies here: the write has happened or it has not.
            self.stored = StoredCertificates::read(&taken.write());
            assert_eq!(self.stored, taken, "{step:?}");
            assert!(is_trusted(&self.stored, &self.stored.bundle(), self.now), "{step:?}");
            if step != CertificateStep::Begin {
                assert!(is_trusted(&self.stored, &before, self.now), "{step:?}: under an authority that no bundle has");
            }
        }
        panic!("endless loop: {:?}", self.steps);
    }

    fn pass(&mut self, passed: i64, spread: &FakeSpread) {
        self.now = hours(self.now, passed);
        self.run(spread);
    }
}

fn word(step: CertificateStep) -> &'static str {
    match step {
        CertificateStep::Keep { .. } => "keep",
        CertificateStep::Early { .. } => "early",
        CertificateStep::Begin => "begin",
        CertificateStep::RenewLeaf => "renew",
        CertificateStep::Announce => "announce",
        CertificateStep::Spread => "spread",
        CertificateStep::Promote => "promote",
        CertificateStep::Retire => "retire",
    }
}

#[test]
fn an_authority_is_replaced_step_by_step() {
    let (no_gateways, written) = (FakeSpread::default(), FakeSpread { written: true, ..FakeSpread::default() });
    let mut life = ReplicaLife::new();
    life.run(&no_gateways);
    assert_eq!(life.steps, ["begin"]);
    let first = life.stored.bundle();
    // Two thirds of the validity of thirty days and one hour, which began an hour ago.
    life.pass(19 * DAY, &no_gateways);
    assert_eq!(life.steps.len(), 1);
    life.pass(DAY, &no_gateways);
    assert_eq!(life.steps[1..], ["renew"]);
    assert_eq!(life.stored.bundle(), first, "renewal touches no bundle");
    // The authority has less than a year left.
    life.pass(9 * YEAR, &no_gateways);
    assert_eq!(life.steps[2..], ["renew", "announce"]);
    let leaf = life.stored.leaf.clone();
    assert_eq!(life.stored.bundle().fingerprints.len(), 2);
    // Before it is in every bundle, the day does not begin.
    life.pass(5 * DAY, &no_gateways);
    assert_eq!(life.steps.len(), 4);
    life.pass(0, &written);
    assert_eq!(life.steps[4..], ["spread"]);
    life.pass(DAY - 1, &written);
    assert_eq!((life.steps.len(), &life.stored.leaf), (5, &leaf));
    life.pass(1, &no_gateways);
    assert_eq!(life.steps[5..], ["promote"]);
    assert_eq!(life.stored.bundle().fingerprints.len(), 2, "the previous one stays trusted for a while");
    life.pass(DAY - 1, &no_gateways);
    assert_eq!(life.steps.len(), 6);
    life.pass(1, &no_gateways);
    assert_eq!(life.steps[6..], ["retire"]);
    let second = life.stored.bundle();
    assert!(second.fingerprints.len() == 1 && second != first);
    life.pass(18 * DAY, &no_gateways);
    assert_eq!(life.steps.len(), 7);
}

#[test]
fn the_next_authority_signs_at_once_when_every_gateway_trusts_it() {
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(10 * YEAR - 100 * DAY, &FakeSpread::default());
    life.pass(1, &FakeSpread { written: true, trusted: false });
    assert_eq!(life.steps, ["begin", "renew", "announce", "spread"]);
    life.pass(0, &FakeSpread { written: true, trusted: true });
    assert_eq!(life.steps[4..], ["promote"]);
    // Even if the cluster reports everything at once, no step is left out.
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(10 * YEAR - 100 * DAY, &FakeSpread { written: true, trusted: true });
    assert_eq!(life.steps, ["begin", "renew", "announce", "spread", "promote"]);
}

#[test]
fn an_expired_authority_is_replaced_by_the_next_one_if_there_is_one() {
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(9 * YEAR + 10 * DAY, &FakeSpread::default());
    assert_eq!(life.steps, ["begin", "renew", "announce"]);
    life.pass(YEAR, &FakeSpread::default());
    // Some bundles have it already, though the replica does not know which.
    assert_eq!(life.steps[3..], ["promote"]);
    life.pass(20 * YEAR, &FakeSpread::default());
    assert_eq!(life.steps[4..], ["begin"]);
}

#[test]
fn a_replica_with_a_late_clock_replaces_no_authority() {
    let now = at("2026-01-01T00:00:00Z");
    let whole = perform(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let behind = |late: i64| hours(now, -late);
    assert!(matches!(next(&whole, behind(0), &names(), &FakeSpread::default()), CertificateStep::Keep { .. }));
    for late in [2, DAY, YEAR] {
        let step = next(&whole, behind(late), &names(), &FakeSpread::default());
        assert_eq!(step, CertificateStep::Early { from: hours(now, -1) }, "{late} hours behind");
        assert_eq!(perform(step, &whole, behind(late), &names()).unwrap(), whole);
    }
    let next_alone = StoredCertificates { next: whole.authority.clone(), ..StoredCertificates::default() };
    assert_eq!(word(next(&next_alone, behind(2), &names(), &FakeSpread::default())), "early");
    let old = hours(now, 11 * YEAR);
    assert_eq!(word(next(&whole, old, &names(), &FakeSpread::default())), "begin", "it has expired");
}

/// For ten minutes, each sees the other's write at once.
#[test]
fn replicas_that_disagree_renew_at_most_once_a_minute() {
    let now = at("2026-01-01T00:00:00Z");
    let (began, spread) = (Instant::now(), FakeSpread::default());
    let other = vec!["outrigger.other.svc".to_owned()];
    let mut stored = perform(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let mut replicas = [(names(), Renewals::default()), (other, Renewals::default())];
    let mut renewed = 0;
    for second in 0..600 {
        for (names, renewals) in &mut replicas {
            let step = next(&stored, now, names, &spread);
            let second = began + Duration::from_secs(second);
            if step == CertificateStep::RenewLeaf && renewals.allow(step, second) {
                stored = perform(step, &stored, now, names).unwrap();
                renewals.record(step, second);
                renewed += 1;
            }
        }
    }
    assert!((10..=20).contains(&renewed), "{renewed}");
}

#[test]
fn missing_or_invalid_parts_are_created_again() {
    let now = at("2026-01-01T00:00:00Z");
    let spread = FakeSpread::default();
    let whole = perform(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let other = issue::authority(now).unwrap();
    let data = whole.write();
    let without = |name: &str| {
        let mut data = data.clone();
        data.remove(name).unwrap();
        StoredCertificates::read(&data)
    };
    let with = |name: &str, value: &str| {
        let mut data = data.clone();
        data.insert(name.to_owned(), value.as_bytes().to_vec());
        StoredCertificates::read(&data)
    };
    let next_one = issue::authority(now).unwrap();
    let cases = [
        (without("authority.key"), "begin"),
        (without("authority.crt"), "begin"),
        (with("authority.key", "-----BEGIN"), "begin"),
        (with("authority.key", other.key()), "begin"),
        (with("authority.crt", &other.certificate.pem), "begin"),
        (StoredCertificates { authority: Some(other.clone()), ..whole.clone() }, "renew"),
        (without("tls.crt"), "renew"),
        (without("tls.key"), "renew"),
        (with("tls.crt", "\u{0}"), "renew"),
        (with("tls.key", other.key()), "renew"),
        (without("ca.crt"), "keep"),
        (with("next.crt", &other.certificate.pem), "keep"),
        (with("next.since", "yesterday"), "keep"),
        (with("retired.crt", "nobody"), "keep"),
        (StoredCertificates { authority: None, next: Some(next_one.clone()), ..whole.clone() }, "promote"),
        (whole.clone(), "keep"),
    ];
    for (number, (stored, expected)) in cases.into_iter().enumerate() {
        let step = next(&stored, now, &names(), &spread);
        assert_eq!(word(step), expected, "{number}");
        let taken = perform(step, &stored, now, &names()).unwrap();
        assert!(is_trusted(&taken, &taken.bundle(), now), "{number}");
        assert!(
            matches!(next(&taken, now, &names(), &spread), CertificateStep::Keep { .. } | CertificateStep::Retire),
            "{number}"
        );
    }
}

#[test]
fn clocks_may_differ_and_a_clock_that_was_set_back_replaces_nothing() {
    let now = at("2026-01-01T00:00:00Z");
    let spread = FakeSpread { written: true, trusted: false };
    let stored = perform(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    for minutes in [-50, -10, 10] {
        let there = now + minutes.minutes();
        assert!(is_trusted(&stored, &stored.bundle(), there), "{minutes}");
        assert!(matches!(next(&stored, there, &names(), &spread), CertificateStep::Keep { .. }), "{minutes}");
    }
    // Issued by a clock that was a month ahead, or this one is a month behind: a log line reports it, and nothing is
    // replaced.
    assert_eq!(word(next(&stored, hours(now, -30 * DAY), &names(), &spread)), "early");
    let next_one = Some(issue::authority(now).unwrap());
    let ahead = StoredCertificates { next: next_one, since: Some(hours(now, 90 * DAY)), ..stored };
    assert_eq!(next(&ahead, now, &names(), &spread), CertificateStep::Spread);
}

#[test]
fn a_change_of_names_renews_the_certificate() {
    let now = at("2026-01-01T00:00:00Z");
    let stored = perform(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let more = [names(), vec!["outrigger.example.com".to_owned()]].concat();
    assert_eq!(next(&stored, now, &more, &FakeSpread::default()), CertificateStep::RenewLeaf);
    let renewed = perform(CertificateStep::RenewLeaf, &stored, now, &more).unwrap();
    assert!(matches!(next(&renewed, now, &more, &FakeSpread::default()), CertificateStep::Keep { .. }));
    // A name that no certificate can have is an error, and not a loop of renewals.
    assert!(perform(CertificateStep::RenewLeaf, &stored, now, &["no name".to_owned()]).is_err());
}

#[test]
fn a_certificate_does_not_outlive_its_authority_and_is_not_renewed_in_a_loop() {
    let made = at("2026-01-01T00:00:00Z");
    let stored = perform(CertificateStep::Begin, &StoredCertificates::default(), made, &names()).unwrap();
    let mut now = hours(made, 10 * YEAR - 10 * DAY);
    let mut last = perform(CertificateStep::RenewLeaf, &stored, now, &names()).unwrap();
    let end = stored.authority.as_ref().map(|authority| authority.certificate.not_after).unwrap();
    let steps = Cell::new(0);
    while now < end {
        assert!(last.leaf.as_ref().unwrap().certificate.not_after <= end);
        match next(&last, now, &names(), &FakeSpread::default()) {
            CertificateStep::Keep { until } => now = until,
            step => {
                steps.set(steps.get() + 1);
                last = perform(step, &last, now, &names()).unwrap();
            }
        }
        assert!(steps.get() < 3);
    }
}

#[test]
fn debug_output_has_no_keys() {
    let stored =
        perform(CertificateStep::Begin, &StoredCertificates::default(), at("2026-01-01T00:00:00Z"), &names()).unwrap();
    let shown = format!("{stored:?}");
    let key: String = stored.authority.as_ref().unwrap().key().lines().nth(1).unwrap().to_owned();
    assert!(!shown.contains(&key) && !shown.contains("PRIVATE") && shown.contains("fingerprint"));
    let wrong = CertificatePair::read(&stored.leaf.unwrap().certificate.pem, stored.authority.unwrap().key());
    assert_eq!(wrong.err(), Some(CertificateError::Mismatch));
}

#[test]
fn fingerprints_match_those_of_gateways() {
    use sha2::{Digest, Sha256};
    let authority = issue::authority(at("2026-01-01T00:00:00Z")).unwrap();
    let expected: String =
        Sha256::digest(&authority.certificate.der).iter().map(|byte| format!("{byte:02x}")).collect();
    let pem = format!(
        "# a comment\n{}\n{}",
        authority.certificate.pem, "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    );
    assert_eq!(fingerprints(&pem)[0], expected);
    assert_eq!(fingerprints("nothing"), Vec::<String>::new());
}
