//! Certificate authorities of a provider: PEM in a ConfigMap or a Secret.

use outrigger_core::ObjectRef;
use outrigger_crds::upstream::{CaKind, CaRef};
use serde_json::Value;

use crate::findings::finding::Cause;
use crate::objects::sorted::SortedObjects;
use crate::providers::credentials::{decode, without};
use crate::providers::pem::{Certificates, NoCertificates};

/// Certificates, and warnings about their source.
pub(crate) struct Bundle {
    pub pem: String,
    pub warnings: Vec<String>,
}

/// The bundle that a reference of an object in `namespace` refers to.
///
/// # Errors
/// What is missing. The provider can't be used then: trusting public authorities instead would be a surprise.
pub(crate) fn bundle(
    sorted: &SortedObjects<'_>,
    namespace: &str,
    reference: &CaRef,
) -> Result<Bundle, (Cause, String)> {
    let id = ObjectRef { namespace: namespace.to_owned(), name: reference.name.clone() };
    let key = &reference.key;
    let (kind, object, plain, encoded) = match reference.kind {
        CaKind::ConfigMap => ("ConfigMap", sorted.config_maps.get(&id), "data", "binaryData"),
        CaKind::Secret => ("Secret", sorted.secrets.get(&id), "stringData", "data"),
    };
    let missing = match reference.kind {
        CaKind::ConfigMap => Cause::RefNotFound,
        CaKind::Secret => Cause::ValueMissing,
    };
    let damaged = |message: String| (Cause::Invalid, message);
    let object = object.ok_or_else(|| (missing, format!("there is no {kind} {id} here: add it")))?;
    let of = |field: &str| object.value.get(field).and_then(Value::as_object);
    let text = |field: &str| of(field).and_then(|fields| fields.get(key)).and_then(Value::as_str);
    let bundle = match (text(plain), text(encoded)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(text)) => decode(text).ok_or_else(|| damaged(format!("{kind} {id} has `{key}` not in base64")))?,
        (None, None) => return Err((missing, format!("{kind} {id} {}", without(key, of(plain), of(encoded))))),
    };
    let found = Certificates::of(&bundle).map_err(|why| {
        let what = match why {
            NoCertificates::None => format!("no certificate (PEM) in `{key}`"),
            NoCertificates::Damaged => format!("a certificate in `{key}` that is damaged: was all of it copied?"),
            NoCertificates::Mislabelled => format!("something in `{key}` that is called a certificate and is none"),
        };
        damaged(format!("{kind} {id} has {what}"))
    })?;
    let mut warnings = Vec::new();
    if found.has_private_key {
        warnings.push(format!(
            "{kind} {id} has a private key in `{key}`, beside certificates: only those are used, and whoever may read the \
             {kind} can read the key: remove it"
        ));
    }
    if found.none_is_an_authority {
        warnings.push(format!(
            "{kind} {id} has the certificate of a server in `{key}`, and not that of the authority which issued it: no \
             connection can be verified with it. Use the authority's own certificate, often called ca.crt"
        ));
    }
    Ok(Bundle { pem: found.pem, warnings })
}
