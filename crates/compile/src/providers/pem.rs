//! Certificates out of PEM, and nothing else out of it: what is taken from here is written where anybody may read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

/// Of a line, as RFC 7468 has it.
const LINE: usize = 64;

/// The certificates of a text, written anew: no byte of it is left but theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// One block for each.
    pub pem: String,
    /// A private key stands in the text as well. It is not among them.
    pub beside_a_key: bool,
}

/// Why a text has none that could be used.
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
    /// The blocks that hold certificates. Keys, requests and what stands between blocks are passed over.
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
        Ok(Certificates { pem, beside_a_key: text.contains("PRIVATE KEY-----") })
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

/// A sequence of a sequence, a sequence and a bit string: no private key, encrypted or not, is so made, whatever its
/// block is called.
fn is_certificate(der: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    let whole = || {
        let (inner, rest) = element(der, SEQUENCE)?;
        let (_, after) = element(inner, SEQUENCE)?;
        let (_, after) = element(after, SEQUENCE)?;
        let (_, after) = element(after, BIT_STRING)?;
        Some(rest.is_empty() && after.is_empty())
    };
    whole().unwrap_or(false)
}

/// What a DER element of a tag holds, and what follows it.
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

    /// As short as a certificate's outer shape can be.
    const SHAPE: [u8; 9] = [0x30, 7, 0x30, 0, 0x30, 0, 0x03, 1, 0];

    fn labelled(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn certificates_alone_are_left() {
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
                assert!(found.beside_a_key);
                assert_eq!(found.pem.replace(&canonical, ""), "", "{text}");
            }
            assert_eq!(Certificates::of(&key), Err(NoCertificates::None));
        }
        assert_eq!(Certificates::of(&certificate), Ok(Certificates { pem: canonical, beside_a_key: false }));
    }

    #[test]
    fn a_key_in_a_certificate_s_clothes_is_none() {
        // The outer shapes of PKCS#8, of PKCS#8 that is encrypted, of SEC 1, of a public key; and shapes that are cut.
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
    fn what_is_cut_is_damaged() {
        assert_eq!(Certificates::of("-----BEGIN CERTIFICATE-----\nYQ==\n"), Err(NoCertificates::Damaged));
        assert_eq!(Certificates::of("hello"), Err(NoCertificates::None));
    }

    #[test]
    fn long_ones_are_cut_into_lines() {
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
