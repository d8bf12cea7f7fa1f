//! Extracts certificates from PEM, and nothing else: the result is written where anybody may read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

/// The length of a line, as in RFC 7468.
const LINE: usize = 64;

/// The certificates of a text, encoded again: nothing else of the text remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// One block for each certificate.
    pub pem: String,
    /// The text also contains a private key. It is not in `pem`.
    pub has_private_key: bool,
    /// No certificate is an authority's: an authority has issued all of them for servers or clients.
    pub none_is_an_authority: bool,
}

/// Why a text contains no usable certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoCertificates {
    #[error("no certificate (PEM)")]
    None,
    #[error("a certificate that is damaged: was all of it copied?")]
    Damaged,
    #[error("something that is called a certificate and is none")]
    Mislabelled,
}

impl Certificates {
    /// The blocks that contain certificates. Keys, requests and text between blocks are skipped.
    ///
    /// # Errors
    /// [`NoCertificates`].
    pub fn of(text: &str) -> Result<Self, NoCertificates> {
        let found: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let found = found.map_err(|_| NoCertificates::Damaged)?;
        if found.is_empty() {
            return Err(NoCertificates::None);
        }
        if !found.iter().all(|der| is_certificate(der)) {
            return Err(NoCertificates::Mislabelled);
        }
        let pem = found.iter().fold(String::new(), |pem, der| pem + &block(der));
        Ok(Certificates {
            pem,
            has_private_key: text.contains("PRIVATE KEY-----"),
            none_is_an_authority: found.iter().all(|der| is_end_entity(der)),
        })
    }
}

fn block(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// A sequence of a sequence, a sequence and a bit string. No private key has this structure, encrypted or not, whatever
/// the label of its block is.
fn is_certificate(der: &[u8]) -> bool {
    let whole = || {
        let (inner, rest) = element(der, SEQUENCE)?;
        let (_, after) = element(inner, SEQUENCE)?;
        let (_, after) = element(after, SEQUENCE)?;
        let (_, after) = element(after, BIT_STRING)?;
        Some(rest.is_empty() && after.is_empty())
    };
    whole().unwrap_or(false)
}

// Tags of DER elements, as X.509 uses them.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

/// Whether another certificate issued this one, and it may not issue any itself. A self-signed certificate does not
/// count, because it may be trusted for its own server. Nor does one that can't be parsed.
fn is_end_entity(der: &[u8]) -> bool {
    let found = || {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (body, _) = element(certificate, SEQUENCE)?;
        let (_, rest) = element(body, VERSION)?;
        let (_, rest) = element(rest, INTEGER)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (subject, rest) = element(rest, SEQUENCE)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (extensions, _) = element(rest, EXTENSIONS)?;
        let (mut extensions, _) = element(extensions, SEQUENCE)?;
        let mut may_issue = false;
        while !extensions.is_empty() {
            let (extension, rest) = element(extensions, SEQUENCE)?;
            may_issue |= is_authority(extension);
            extensions = rest;
        }
        Some(issuer != subject && !may_issue)
    };
    found().unwrap_or(false)
}

/// Whether an extension is the basic constraints of a certificate, with the flag for an authority.
fn is_authority(extension: &[u8]) -> bool {
    let authority_flag = || {
        let (_, rest) = element(extension, IDENTIFIER).filter(|(name, _)| *name == BASIC_CONSTRAINTS)?;
        // The optional flag `critical`.
        let rest = element(rest, BOOLEAN).map_or(rest, |(_, rest)| rest);
        let (value, _) = element(rest, OCTET_STRING)?;
        let (constraints, _) = element(value, SEQUENCE)?;
        element(constraints, BOOLEAN).map(|(authority, _)| authority != [0])
    };
    authority_flag().unwrap_or(false)
}

/// The content of a DER element with this tag, and the bytes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest possible outer structure of a certificate.
    const SHAPE: [u8; 9] = [0x30, 7, 0x30, 0, 0x30, 0, 0x03, 1, 0];

    fn labelled(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn distinguishes_issued_certificates_from_authorities() {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let key = || KeyPair::generate().unwrap();
        let named = |name: &str| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params
        };
        let mut params = named("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (authority_key, server_key) = (key(), key());
        let authority = params.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(params, authority_key);
        let mut intermediate = named("intermediate");
        intermediate.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let intermediate = intermediate.signed_by(&key(), &issuer).unwrap();
        let mut explicit = named("explicit");
        explicit.is_ca = IsCa::ExplicitNoCa;
        let explicit = explicit.signed_by(&key(), &issuer).unwrap();
        let server = named("server").signed_by(&server_key, &issuer).unwrap();
        let own = named("own").self_signed(&key()).unwrap();
        for (name, text, expected) in [
            ("an authority", authority.pem(), false),
            ("an intermediate authority", intermediate.pem(), false),
            ("a server", server.pem(), true),
            ("a server that says so", explicit.pem(), true),
            ("a server that vouches for itself", own.pem(), false),
            ("a server with its authority", format!("{}{}", server.pem(), authority.pem()), false),
        ] {
            assert_eq!(Certificates::of(&text).unwrap().none_is_an_authority, expected, "{name}");
        }
        assert!(!Certificates::of(&labelled("CERTIFICATE", &SHAPE)).unwrap().none_is_an_authority, "unreadable");
    }

    #[test]
    fn keeps_only_certificates() {
        let (certificate, canonical) = (labelled("CERTIFICATE", &SHAPE), block(&SHAPE));
        for key in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
        {
            let key = labelled(key, b"never-shown-anywhere");
            for text in [
                format!("{certificate}{key}"),
                format!("{key}{certificate}"),
                format!("Bag Attributes\n  localKeyID: never-shown\n{key}subject=CN\n{certificate}trailing words\n"),
                format!("{certificate}{key}{certificate}").replace('\n', "\r\n"),
            ] {
                let found = Certificates::of(&text).unwrap();
                assert!(found.has_private_key);
                assert_eq!(found.pem.replace(&canonical, ""), "", "{text}");
            }
            assert_eq!(Certificates::of(&key), Err(NoCertificates::None));
        }
        assert_eq!(
            Certificates::of(&certificate),
            Ok(Certificates { pem: canonical, has_private_key: false, none_is_an_authority: false })
        );
    }

    #[test]
    fn refuses_keys_labelled_as_certificates() {
        // The outer structures of PKCS#8, of encrypted PKCS#8, of SEC 1, of a public key; and truncated ones.
        let others: [&[u8]; 8] = [
            &[0x30, 8, 0x02, 1, 0, 0x30, 0, 0x04, 1, 9],
            &[0x30, 5, 0x30, 0, 0x04, 1, 9],
            &[0x30, 6, 0x02, 1, 1, 0x04, 1, 9],
            &[0x30, 5, 0x30, 0, 0x03, 1, 0],
            &[0x30, 7, 0x30, 0, 0x30, 0, 0x03],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            b"sk-never-shown",
            &[],
        ];
        for der in others {
            assert_eq!(Certificates::of(&labelled("CERTIFICATE", der)), Err(NoCertificates::Mislabelled), "{der:?}");
        }
        let mut more = SHAPE.to_vec();
        more.extend(b"sk-never-shown");
        assert_eq!(Certificates::of(&labelled("CERTIFICATE", &more)), Err(NoCertificates::Mislabelled));
    }

    #[test]
    fn truncated_certificates_are_damaged() {
        assert_eq!(Certificates::of("-----BEGIN CERTIFICATE-----\nYQ==\n"), Err(NoCertificates::Damaged));
        assert_eq!(Certificates::of("hello"), Err(NoCertificates::None));
    }

    #[test]
    fn wraps_long_certificates() {
        let mut der = vec![0x30, 0x82, 0, 0, 0x30, 0x82, 0, 254];
        der.extend([7; 254]);
        der.extend([0x30, 0, 0x03, 1, 0]);
        let length = der.len() - 4;
        (der[2], der[3]) = (u8::try_from(length >> 8).unwrap(), u8::try_from(length & 0xff).unwrap());
        let found = Certificates::of(&labelled("CERTIFICATE", &der)).unwrap();
        assert!(found.pem.lines().all(|line| line.len() <= LINE));
        assert_eq!(CertificateDer::from_pem_slice(found.pem.as_bytes()).unwrap().as_ref(), der);
    }
}
