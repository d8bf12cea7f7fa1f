//! Issues authorities and certificates. The keys are ECDSA on P-256, which the API server and the gateways can verify.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use thiserror::Error;

use super::x509::{CertificateError, CertificatePair};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long an authority and a certificate are valid.
pub(super) const AUTHORITY_LIFE: Duration = Duration::from_secs(3_650 * DAY.as_secs());
pub(super) const LEAF_LIFE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Certificates are valid a little earlier, because clocks differ.
pub(super) const BACKDATED: Duration = Duration::from_secs(3_600);

/// Why no certificate could be issued.
#[derive(Debug, Error)]
pub enum IssueError {
    #[error("a certificate could not be made: {0}")]
    Refused(#[from] rcgen::Error),
    #[error("a certificate that was just made is not usable: {0}")]
    Unusable(#[from] CertificateError),
}

/// Issues a new authority.
///
/// # Errors
/// [`IssueError`].
pub(super) fn authority(now: Timestamp) -> Result<CertificatePair, IssueError> {
    let mut params = CertificateParams::default();
    let (epoch, now) = (date_time_ymd(1970, 1, 1), since_epoch(now));
    (params.not_before, params.not_after) = (epoch + now.saturating_sub(BACKDATED), epoch + (now + AUTHORITY_LIFE));
    // A unique name, so that clients cannot confuse two authorities.
    params.distinguished_name = named(&format!("outrigger authority {}", now.as_secs()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(CertificatePair::read(&certificate.pem(), &key.serialize_pem())?)
}

/// Issues a certificate under the authority, which ends no later than the authority.
///
/// # Errors
/// [`IssueError`].
pub(super) fn leaf(
    authority: &CertificatePair,
    names: &[String],
    time: Timestamp,
) -> Result<CertificatePair, IssueError> {
    let issuer = Issuer::from_ca_cert_der(&authority.certificate.der, KeyPair::from_pem(authority.key())?)?;
    let mut params = CertificateParams::new(names)?;
    let (epoch, now) = (date_time_ymd(1970, 1, 1), since_epoch(time));
    let end = since_epoch(authority.certificate.not_after).min(now + LEAF_LIFE);
    (params.not_before, params.not_after) = (epoch + now.saturating_sub(BACKDATED), epoch + end);
    params.distinguished_name = named("outrigger operator");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let leaf = CertificatePair::read(&certificate.pem(), &key.serialize_pem())?;
    // A certificate that no client accepts must fail here. Otherwise it would be renewed in a loop.
    leaf.certificate.verify_for(names, &authority.certificate, time)?;
    Ok(leaf)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
}
