//! How requests to Amazon Bedrock are authorized: by an API key, or by a signature with an access key.

use std::sync::Arc;

use outrigger_policy::{AccessKey, AwsIdentityDoc, BedrockDoc};

use super::Authorizations;
use crate::runtime::address::aws_url;
use crate::runtime::pod_identity::AwsPodIdentity;
use crate::upstream::{
    Authorization, ContainerCredentials, FixedKey, INSTANCE_METADATA, InstanceMetadata, Signer, SigningScope,
    TokenFile, WebIdentity, container_agent,
};

/// The names of the service in hosts.
const SERVICES: [&str; 2] = ["bedrock-runtime", "bedrock-runtime-fips"];
const DOMAINS: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"];

/// Whether a host is Bedrock's own. Other hosts below AWS's domains may be anybody's.
pub(super) fn is_bedrock(host: &str) -> bool {
    DOMAINS.iter().filter_map(|domain| host.strip_suffix(domain)).any(|name| {
        let labels: Vec<&str> = name.split('.').collect();
        match labels[..] {
            [service, _region] => SERVICES.contains(&service),
            // A private endpoint in somebody's network, which leads to Bedrock too.
            [endpoint, service, _region, "vpce"] => endpoint.starts_with("vpce-") && SERVICES.contains(&service),
            _ => false,
        }
    })
}

fn scope(bedrock: &BedrockDoc) -> SigningScope {
    SigningScope { region: bedrock.region.clone(), service: "bedrock" }
}

impl Authorizations<'_, '_> {
    /// How a Secret's value authorizes requests if it is an access key. `None` for an API key.
    pub(super) fn aws_key(&mut self, bedrock: &BedrockDoc, value: &str) -> Option<Authorization> {
        match AccessKey::read(value) {
            Ok(key) => {
                let signer = Signer::new(FixedKey(key?), scope(bedrock));
                Some(self.token(&[], value, |_| Ok(Arc::new(signer))))
            }
            Err(problem) => Some(self.unusable(format!("the value {problem}"))),
        }
    }

    /// How the identity of the pod authorizes requests: with a role that trusts the pod's token, else with what the
    /// cluster gives the pod, else with the role of its machine.
    pub(super) fn aws_identity(&mut self, bedrock: &BedrockDoc, identity: &AwsIdentityDoc) -> Authorization {
        let scope = scope(bedrock);
        let AwsPodIdentity { role, token_file, agent, agent_token_file, metadata } = self.identity.aws.clone();
        let role = identity.role_arn.clone().or(role.filter(|_| token_file.is_some()));
        if let Some(role) = role {
            let server = bedrock.token_endpoint.clone().unwrap_or_else(|| aws_url("sts", &bedrock.region));
            let file = TokenFile { path: token_file.or_else(|| self.identity.token_file.clone()) };
            return self.token(&[&server], "", |servers| {
                let [server] = servers else { return Err(String::new()) };
                Ok(Arc::new(Signer::new(WebIdentity { server: server.clone(), role, file }, scope)))
            });
        }
        if let Some(url) = agent {
            let (server, path) = match container_agent(&url) {
                Ok(agent) => agent,
                Err(problem) => {
                    return self.unusable(format!("the variable AWS_CONTAINER_CREDENTIALS_FULL_URI: {problem}"));
                }
            };
            let file = TokenFile { path: agent_token_file };
            return self.token(&[&server], "", |servers| {
                let [server] = servers else { return Err(String::new()) };
                Ok(Arc::new(Signer::new(ContainerCredentials { server: server.clone(), path, file }, scope)))
            });
        }
        let server = metadata.unwrap_or_else(|| INSTANCE_METADATA.to_owned());
        self.token(&[&server], "", |servers| {
            let [server] = servers else { return Err(String::new()) };
            Ok(Arc::new(Signer::new(InstanceMetadata(server.clone()), scope)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_bedrock_itself_are_the_clouds_own() {
        for host in [
            "bedrock-runtime.eu-central-1.amazonaws.com",
            "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
            "vpce-0a1b-c2d3.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        ] {
            assert!(is_bedrock(host), "{host}");
        }
        for host in [
            "bedrock-runtime.s3.us-east-1.amazonaws.com",
            "ec2-1-2-3-4.compute-1.amazonaws.com",
            "x.execute-api.us-east-1.amazonaws.com",
            "vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com",
            "bedrock-runtime.us-east-1.amazonaws.com.evil.test",
            "evil-bedrock-runtime.us-east-1.amazonaws.com",
            "amazonaws.com",
        ] {
            assert!(!is_bedrock(host), "{host}");
        }
    }
}
