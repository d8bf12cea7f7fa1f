//! Where a provider's server is, by its object: the base of all paths, and what every request has in its query.

use outrigger_llm::provider::{Apis, ProviderType};
use outrigger_policy::{Provider, VertexDoc};

use crate::upstream::mock;

/// Where a provider's server is, and what it speaks.
#[derive(Clone, Debug)]
pub struct Address {
    /// `https://host[:port][/base]`. `None` if neither the object nor the type says where.
    pub url: Option<String>,
    /// Of every request: `api-version=2024-10-21`.
    pub query: Option<String>,
    pub apis: Apis,
}

impl Address {
    /// The address of a provider of a type.
    #[must_use]
    pub fn of(kind: &ProviderType, provider: &Provider) -> Self {
        let apis = kind.apis(mock::dialect_of(provider.mock.as_ref()));
        let url = provider.endpoint.as_deref().or(kind.endpoint).map(str::to_owned);
        if let Some(versioned) = kind.versioned {
            let version = provider.azure.as_ref().and_then(|azure| azure.api_version.as_deref());
            return match version {
                Some(version) => Address {
                    url: url.map(|url| below(&url, "openai")),
                    query: Some(format!("api-version={version}")),
                    apis: Apis::one(versioned),
                },
                None => Address { url: url.map(|url| below(&url, "openai/v1")), query: None, apis },
            };
        }
        let url = match (&provider.vertex, &provider.bedrock) {
            (Some(vertex), _) => Some(in_location(vertex, url.as_deref())),
            (None, Some(bedrock)) => url.or_else(|| Some(aws_url("bedrock-runtime", &bedrock.region))),
            (None, None) => url,
        };
        Address { url, query: None, apis }
    }
}

fn below(url: &str, path: &str) -> String {
    format!("{}/{path}", url.trim_end_matches('/'))
}

/// Each location of Vertex AI has a server of its own, and is part of every path.
fn in_location(VertexDoc { project, location, api_version, .. }: &VertexDoc, endpoint: Option<&str>) -> String {
    let server = match (endpoint, location.as_str()) {
        (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
        (None, "global") => "https://aiplatform.googleapis.com".to_owned(),
        (None, "us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
        (None, _) => format!("https://{location}-aiplatform.googleapis.com"),
    };
    format!("{server}/{api_version}/projects/{project}/locations/{location}")
}

/// The partitions of AWS that have their own domain, by the beginning of their regions' names.
const AWS_DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
];

/// A service of AWS in a region.
pub fn aws_url(service: &str, region: &str) -> String {
    let own = AWS_DOMAINS.iter().find(|(begin, _)| region.starts_with(begin));
    let domain = own.map_or("amazonaws.com", |(_, domain)| domain);
    format!("https://{service}.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use outrigger_llm::provider::lookup;
    use outrigger_policy::{AzureDoc, BedrockDoc, Document, FORMAT, Policy, ProviderDoc};

    use super::*;

    fn address(kind: &str, doc: ProviderDoc) -> Address {
        let doc = ProviderDoc { namespace: "n".to_owned(), name: "p".to_owned(), kind: kind.to_owned(), ..doc };
        let document = Document { format: FORMAT, providers: vec![doc], ..Document::default() };
        Address::of(
            lookup(kind).unwrap(),
            &Policy::build(document).unwrap().providers[outrigger_policy::ProviderIndex::default()],
        )
    }

    #[test]
    fn vertex_has_a_server_for_each_location() {
        for (location, endpoint, expected) in [
            ("europe-west4", None, "https://europe-west4-aiplatform.googleapis.com/v1"),
            ("global", None, "https://aiplatform.googleapis.com/v1"),
            ("eu", None, "https://aiplatform.eu.rep.googleapis.com/v1"),
            ("us-east5", Some("https://vertex.internal/"), "https://vertex.internal/v1"),
        ] {
            let vertex = VertexDoc {
                project: "p-1".to_owned(),
                location: location.to_owned(),
                api_version: "v1".to_owned(),
                ..VertexDoc::default()
            };
            let endpoint = endpoint.map(str::to_owned);
            let found = address("VertexAI", ProviderDoc { vertex: Some(vertex), endpoint, ..ProviderDoc::default() });
            assert_eq!(found.url, Some(format!("{expected}/projects/p-1/locations/{location}")));
        }
    }

    #[test]
    fn bedrock_has_a_server_for_each_region() {
        for (region, endpoint, expected) in [
            ("eu-central-1", None, "https://bedrock-runtime.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", None, "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", None, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", None, "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
            ("us-isob-east-1", None, "https://bedrock-runtime.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-central-1", Some("https://bedrock.internal"), "https://bedrock.internal"),
        ] {
            let bedrock = BedrockDoc { region: region.to_owned(), ..BedrockDoc::default() };
            let endpoint = endpoint.map(str::to_owned);
            let found = address("Bedrock", ProviderDoc { bedrock: Some(bedrock), endpoint, ..ProviderDoc::default() });
            assert_eq!(found.url.as_deref(), Some(expected), "{region}");
        }
        assert_eq!(aws_url("sts", "us-iso-east-1"), "https://sts.us-iso-east-1.c2s.ic.gov");
    }

    #[test]
    fn azure_has_deployments_or_the_paths_of_openai() {
        for (version, url, query, path) in [
            (None, "https://r.openai.azure.com/openai/v1", None, "chat/completions"),
            (
                Some("2024-10-21"),
                "https://r.openai.azure.com/openai",
                Some("api-version=2024-10-21"),
                "deployments/d/chat/completions",
            ),
        ] {
            let azure = Some(AzureDoc { api_version: version.map(str::to_owned), ..AzureDoc::default() });
            let endpoint = Some("https://r.openai.azure.com/".to_owned());
            let found = address("AzureOpenAI", ProviderDoc { azure, endpoint, ..ProviderDoc::default() });
            assert_eq!((found.url.as_deref(), found.query.as_deref()), (Some(url), query));
            let chat = outrigger_llm::operation::find("POST", "/v1/chat/completions").unwrap().operation;
            assert_eq!(
                found.apis.of(outrigger_llm::Dialect::OpenAi, "d").url.own(chat, "d", false).unwrap().as_str(),
                path
            );
        }
    }

    #[test]
    fn other_types_have_the_endpoint_of_their_object_or_type() {
        let plain = address("OpenAI", ProviderDoc::default());
        assert_eq!((plain.url.as_deref(), plain.query), (Some("https://api.openai.com/v1"), None));
        let own = ProviderDoc { endpoint: Some("http://vllm:8000/v1".to_owned()), ..ProviderDoc::default() };
        assert_eq!(address("vLLM", own).url.as_deref(), Some("http://vllm:8000/v1"));
        assert_eq!(address("AzureOpenAI", ProviderDoc::default()).url, None);
    }
}
