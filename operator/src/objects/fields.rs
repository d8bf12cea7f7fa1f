//! The fields of our objects that a plan reads, each with its own type.
//!
//! A broken object still names its dependencies, can still be suspended, and still restricts who may use it. So these
//! fields are not read through the type of the whole spec, which either deserializes as a whole or not at all. A field
//! that cannot be read counts as absent, unless its method says otherwise.

use std::collections::BTreeSet;

use jiff::Timestamp;
use outrigger_crds::AllowedNamespaces;
use outrigger_crds::budget::BudgetRef;
use outrigger_crds::provider::CredentialDelivery;
use outrigger_crds::upstream::{CaKind, CaRef};
use outrigger_crds::virtual_key::ProviderRef;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{ValueKind, ValueRef};
use crate::objects::version::ObjectVersion;

impl ObjectVersion {
    /// The whole spec.
    #[must_use]
    pub fn spec(&self) -> Option<&Value> {
        self.value().get("spec")
    }

    /// One field of the spec, as JSON.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.spec()?.get(name)
    }

    fn elements(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.field(name).and_then(Value::as_array).into_iter().flatten()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        is_true(self.field("suspended"))
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        time(self.field("expiresAt")?)
    }

    /// The names of its credentials that are suspended.
    pub(crate) fn suspended_credentials(&self) -> BTreeSet<&str> {
        let suspended = self.elements("credentials").filter(|credential| is_true(credential.get("suspended")));
        suspended.filter_map(|credential| credential.get("name")?.as_str()).collect()
    }

    /// The Secrets that hold its credentials.
    pub(crate) fn credential_secrets(&self) -> impl Iterator<Item = ValueRef> {
        let names =
            self.elements("credentials").filter_map(|credential| credential.get("secretRef")?.get("name")?.as_str());
        names.map(|name| self.value_ref(ValueKind::Secret, name))
    }

    /// How its credentials get to gateways. An unknown value counts as `Stream`, which copies no credential.
    pub(crate) fn credential_delivery(&self) -> Option<CredentialDelivery> {
        self.field("credentialDelivery").map(|value| read(value).unwrap_or(CredentialDelivery::Stream))
    }

    /// The reference to its bundle of certificates, and the key in it.
    pub(crate) fn certificate_authority(&self) -> Option<(ValueRef, String)> {
        let reference: CaRef = read(self.field("tls")?.get("caRef")?)?;
        let kind = match reference.kind {
            CaKind::ConfigMap => ValueKind::ConfigMap,
            CaKind::Secret => ValueKind::Secret,
        };
        Some((self.value_ref(kind, &reference.name), reference.key))
    }

    /// The namespaces whose keys may use it.
    ///
    /// # Errors
    /// The field exists and cannot be read.
    pub(crate) fn allowed_namespaces(&self) -> Result<Option<AllowedNamespaces>, UnreadableField> {
        self.field("allowedNamespaces").map(|value| read(value).ok_or(UnreadableField)).transpose()
    }

    /// The service accounts that may use it; `None` for all. An element that is no string is ignored.
    pub(crate) fn allowed_service_accounts(&self) -> Option<BTreeSet<String>> {
        let accounts = self.field("allowedWorkloads")?.get("serviceAccounts")?.as_array()?;
        Some(accounts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The providers that a key names.
    pub(crate) fn providers(&self) -> impl Iterator<Item = ObjectId> {
        self.elements("providers").filter_map(|entry| {
            let named = entry.get("providerRef").and_then(read::<ProviderRef>);
            let named = named.map(|reference| (reference.namespace, reference.name));
            let own = || Some((None, entry.get("name")?.as_str()?.to_owned()));
            let (namespace, name) = named.or_else(own)?;
            Some(self.object_ref(ObjectKind::LlmProvider, namespace, name))
        })
    }

    /// The Budgets that a key names.
    pub(crate) fn budgets(&self) -> impl Iterator<Item = ObjectId> {
        self.elements("budgetRefs").filter_map(|reference| self.budget(reference))
    }

    /// The Budget above this one.
    pub(crate) fn parent(&self) -> Option<ObjectId> {
        self.budget(self.field("parentRef")?)
    }

    fn budget(&self, reference: &Value) -> Option<ObjectId> {
        let BudgetRef { namespace, name } = read(reference)?;
        Some(self.object_ref(ObjectKind::Budget, namespace, name))
    }

    /// Whether a Budget names a namespace for its parent.
    pub(crate) fn has_foreign_parent(&self) -> bool {
        self.field("parentRef").is_some_and(|reference| reference.get("namespace").is_some())
    }

    /// Whether it applies to keys that do not reference it.
    pub(crate) fn applies_to_others(&self) -> bool {
        self.field("appliesTo").is_some()
    }

    /// How many tests a rule has.
    pub(crate) fn rule_tests(&self) -> usize {
        self.elements("tests").count()
    }

    fn value_ref(&self, holder: ValueKind, name: &str) -> ValueRef {
        ValueRef { holder, namespace: self.id.namespace.clone(), name: name.to_owned() }
    }

    fn object_ref(&self, kind: ObjectKind, namespace: Option<String>, name: String) -> ObjectId {
        ObjectId { kind, namespace: namespace.unwrap_or_else(|| self.id.namespace.clone()), name }
    }
}

/// A field that exists and does not have its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnreadableField;

/// Parses a time of RFC 3339.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Deserializes one field, independent of the fields around it.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}
