//! From nothing to the third authority, killed after every step.

use std::cell::Cell;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::Instant;

use super::issue;
use super::renewal::Spread;
use super::rotation::{CertificateStep, Renewals, next, take};
use super::stored::StoredCertificates;
use super::x509::{Certificate, CertificateError, CertificatePair};
use super::{CaBundle, fingerprints};

/// How far the next authority is said to have got.
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

/// Somebody who trusts the bundle takes the certificate for every name.
fn is_trusted(held: &StoredCertificates, bundle: &CaBundle, now: Timestamp) -> bool {
    let Some(leaf) = &held.leaf else { return false };
    let authorities = CertificateDer::pem_slice_iter(bundle.pem.as_bytes()).count();
    let each = bundle.pem.split_inclusive("-----END CERTIFICATE-----").filter_map(|pem| Certificate::read(pem).ok());
    let each: Vec<_> = each.collect();
    assert_eq!(each.len(), authorities);
    each.iter().any(|authority| leaf.certificate.vouches(&names(), authority, now).is_ok())
}

/// A replica's life: takes steps, and is killed after each, so that all it knows is what was written.
struct ReplicaLife {
    held: StoredCertificates,
    now: Timestamp,
    steps: Vec<&'static str>,
}

impl ReplicaLife {
    fn new() -> Self {
        ReplicaLife { held: StoredCertificates::default(), now: at("2026-01-01T00:00:00Z"), steps: Vec::new() }
    }

    fn run(&mut self, said: &FakeSpread) {
        for _ in 0..8 {
            let step = next(&self.held, self.now, &names(), said);
            let before = self.held.bundle();
            match step {
                CertificateStep::Keep { until } => {
                    assert!(until > self.now, "it would not sleep");
                    return;
                }
                step => self.steps.push(word(step)),
            }
            let taken = take(step, &self.held, self.now, &names()).unwrap();
            // Killed here: the write has happened or it has not.
            self.held = StoredCertificates::read(&taken.write());
            assert_eq!(self.held, taken, "{step:?}");
            assert!(is_trusted(&self.held, &self.held.bundle(), self.now), "{step:?}");
            if step != CertificateStep::Begin {
                assert!(is_trusted(&self.held, &before, self.now), "{step:?}: under an authority that was not told");
            }
        }
        panic!("round in circles: {:?}", self.steps);
    }

    fn pass(&mut self, passed: i64, said: &FakeSpread) {
        self.now = hours(self.now, passed);
        self.run(said);
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
fn a_life_of_two_authorities() {
    let (nobody, written) = (FakeSpread::default(), FakeSpread { written: true, ..FakeSpread::default() });
    let mut life = ReplicaLife::new();
    life.run(&nobody);
    assert_eq!(life.steps, ["begin"]);
    let first = life.held.bundle();
    // Two thirds of thirty days and an hour, which began an hour ago.
    life.pass(19 * DAY, &nobody);
    assert_eq!(life.steps.len(), 1);
    life.pass(DAY, &nobody);
    assert_eq!(life.steps[1..], ["renew"]);
    assert_eq!(life.held.bundle(), first, "renewal touches no bundle");
    // Old age.
    life.pass(9 * YEAR, &nobody);
    assert_eq!(life.steps[2..], ["renew", "announce"]);
    let leaf = life.held.leaf.clone();
    assert_eq!(life.held.bundle().fingerprints.len(), 2);
    // As long as it is not in every bundle, no day has begun.
    life.pass(5 * DAY, &nobody);
    assert_eq!(life.steps.len(), 4);
    life.pass(0, &written);
    assert_eq!(life.steps[4..], ["spread"]);
    life.pass(DAY - 1, &written);
    assert_eq!((life.steps.len(), &life.held.leaf), (5, &leaf));
    life.pass(1, &nobody);
    assert_eq!(life.steps[5..], ["promote"]);
    assert_eq!(life.held.bundle().fingerprints.len(), 2, "the one before is trusted for a while");
    life.pass(DAY - 1, &nobody);
    assert_eq!(life.steps.len(), 6);
    life.pass(1, &nobody);
    assert_eq!(life.steps[6..], ["retire"]);
    let second = life.held.bundle();
    assert!(second.fingerprints.len() == 1 && second != first);
    life.pass(18 * DAY, &nobody);
    assert_eq!(life.steps.len(), 7);
}

#[test]
fn when_every_gateway_has_the_next_authority_nobody_waits_for_a_day() {
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(10 * YEAR - 100 * DAY, &FakeSpread::default());
    life.pass(1, &FakeSpread { written: true, trusted: false });
    assert_eq!(life.steps, ["begin", "renew", "announce", "spread"]);
    life.pass(0, &FakeSpread { written: true, trusted: true });
    assert_eq!(life.steps[4..], ["promote"]);
    // Even a cluster that says yes to everything at once goes through every step.
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(10 * YEAR - 100 * DAY, &FakeSpread { written: true, trusted: true });
    assert_eq!(life.steps, ["begin", "renew", "announce", "spread", "promote"]);
}

#[test]
fn an_authority_that_was_slept_through_is_replaced_by_the_best_there_is() {
    let mut life = ReplicaLife::new();
    life.run(&FakeSpread::default());
    life.pass(9 * YEAR + 10 * DAY, &FakeSpread::default());
    assert_eq!(life.steps, ["begin", "renew", "announce"]);
    life.pass(YEAR, &FakeSpread::default());
    // It stands in bundles already, though nobody knows in which.
    assert_eq!(life.steps[3..], ["promote"]);
    life.pass(20 * YEAR, &FakeSpread::default());
    assert_eq!(life.steps[4..], ["begin"]);
}

#[test]
fn a_replica_whose_clock_is_behind_begins_nothing_over_what_is_there() {
    let now = at("2026-01-01T00:00:00Z");
    let whole = take(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let behind = |late: i64| hours(now, -late);
    assert!(matches!(next(&whole, behind(0), &names(), &FakeSpread::default()), CertificateStep::Keep { .. }));
    for late in [2, DAY, YEAR] {
        let step = next(&whole, behind(late), &names(), &FakeSpread::default());
        assert_eq!(step, CertificateStep::Early { from: hours(now, -1) }, "{late} hours behind");
        assert_eq!(take(step, &whole, behind(late), &names()).unwrap(), whole);
    }
    let next_alone = StoredCertificates { next: whole.authority.clone(), ..StoredCertificates::default() };
    assert_eq!(word(next(&next_alone, behind(2), &names(), &FakeSpread::default())), "early");
    let old = hours(now, 11 * YEAR);
    assert_eq!(word(next(&whole, old, &names(), &FakeSpread::default())), "begin", "it is over");
}

/// Each sees what the other wrote as soon as it is written, for ten minutes.
#[test]
fn replicas_that_do_not_agree_take_turns_once_a_minute() {
    let now = at("2026-01-01T00:00:00Z");
    let (began, said) = (Instant::now(), FakeSpread::default());
    let other = vec!["outrigger.other.svc".to_owned()];
    let mut held = take(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let mut replicas = [(names(), Renewals::default()), (other, Renewals::default())];
    let mut renewed = 0;
    for second in 0..600 {
        for (names, renewals) in &mut replicas {
            let step = next(&held, now, names, &said);
            let second = began + Duration::from_secs(second);
            if step == CertificateStep::RenewLeaf && renewals.allow(step, second) {
                held = take(step, &held, now, names).unwrap();
                renewals.took(step, second);
                renewed += 1;
            }
        }
    }
    assert!((10..=20).contains(&renewed), "{renewed}");
}

#[test]
fn whatever_is_missing_or_broken_is_made_anew() {
    let now = at("2026-01-01T00:00:00Z");
    let said = FakeSpread::default();
    let whole = take(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
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
    for (number, (held, expected)) in cases.into_iter().enumerate() {
        let step = next(&held, now, &names(), &said);
        assert_eq!(word(step), expected, "{number}");
        let taken = take(step, &held, now, &names()).unwrap();
        assert!(is_trusted(&taken, &taken.bundle(), now), "{number}");
        assert!(
            matches!(next(&taken, now, &names(), &said), CertificateStep::Keep { .. } | CertificateStep::Retire),
            "{number}"
        );
    }
}

#[test]
fn clocks_that_differ_by_ten_minutes_are_no_matter_and_one_that_was_put_back_throws_nothing_away() {
    let now = at("2026-01-01T00:00:00Z");
    let said = FakeSpread { written: true, trusted: false };
    let held = take(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    for minutes in [-50, -10, 10] {
        let there = now + minutes.minutes();
        assert!(is_trusted(&held, &held.bundle(), there), "{minutes}");
        assert!(matches!(next(&held, there, &names(), &said), CertificateStep::Keep { .. }), "{minutes}");
    }
    // Made by a clock that was a month ahead, or this one is a month behind: people are told, and nothing is thrown away.
    assert_eq!(word(next(&held, hours(now, -30 * DAY), &names(), &said)), "early");
    let next_one = Some(issue::authority(now).unwrap());
    let ahead = StoredCertificates { next: next_one, since: Some(hours(now, 90 * DAY)), ..held };
    assert_eq!(next(&ahead, now, &names(), &said), CertificateStep::Spread);
}

#[test]
fn other_names_need_another_certificate() {
    let now = at("2026-01-01T00:00:00Z");
    let held = take(CertificateStep::Begin, &StoredCertificates::default(), now, &names()).unwrap();
    let more = [names(), vec!["outrigger.example.com".to_owned()]].concat();
    assert_eq!(next(&held, now, &more, &FakeSpread::default()), CertificateStep::RenewLeaf);
    let renewed = take(CertificateStep::RenewLeaf, &held, now, &more).unwrap();
    assert!(matches!(next(&renewed, now, &more, &FakeSpread::default()), CertificateStep::Keep { .. }));
    // A name that no certificate can be for does not make one again and again: it is told.
    assert!(take(CertificateStep::RenewLeaf, &held, now, &["no name".to_owned()]).is_err());
}

#[test]
fn a_certificate_does_not_outlive_its_authority_nor_is_made_again_and_again() {
    let made = at("2026-01-01T00:00:00Z");
    let held = take(CertificateStep::Begin, &StoredCertificates::default(), made, &names()).unwrap();
    let mut now = hours(made, 10 * YEAR - 10 * DAY);
    let mut last = take(CertificateStep::RenewLeaf, &held, now, &names()).unwrap();
    let end = held.authority.as_ref().map(|authority| authority.certificate.not_after).unwrap();
    let steps = Cell::new(0);
    while now < end {
        assert!(last.leaf.as_ref().unwrap().certificate.not_after <= end);
        match next(&last, now, &names(), &FakeSpread::default()) {
            CertificateStep::Keep { until } => now = until,
            step => {
                steps.set(steps.get() + 1);
                last = take(step, &last, now, &names()).unwrap();
            }
        }
        assert!(steps.get() < 3);
    }
}

#[test]
fn neither_keys_nor_secrets_are_shown() {
    let held =
        take(CertificateStep::Begin, &StoredCertificates::default(), at("2026-01-01T00:00:00Z"), &names()).unwrap();
    let shown = format!("{held:?}");
    let key: String = held.authority.as_ref().unwrap().key().lines().nth(1).unwrap().to_owned();
    assert!(!shown.contains(&key) && !shown.contains("PRIVATE") && shown.contains("fingerprint"));
    let wrong = CertificatePair::read(&held.leaf.unwrap().certificate.pem, held.authority.unwrap().key());
    assert_eq!(wrong.err(), Some(CertificateError::Mismatch));
}

#[test]
fn fingerprints_are_those_that_gateways_compute() {
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
