//! Names of models at Amazon Bedrock: ids, ids of inference profiles, and ARNs of both.
//!
//! ```text
//! amazon.nova-pro-v1:0                                    its price in the region, else its usual one
//! eu.amazon.nova-pro-v1:0                                 the profile's price, else the model's usual one
//! arn:aws:bedrock:REGION::foundation-model/ID             as ID, in that region
//! arn:aws:bedrock:REGION:ACCOUNT:inference-profile/ID     as ID
//! arn:aws:bedrock:REGION:ACCOUNT:…                        unknown: only the account knows what it is
//! ```

use super::CatalogueEntry;
use super::table::ModelTable;

pub(super) const TYPE: &str = "Bedrock";

/// With what ids of inference profiles begin. A closed list: names of the catalogue are labels of metrics.
const PROFILES: [&str; 16] =
    ["us", "us-gov", "eu", "apac", "global", "au", "jp", "ca", "in", "sa", "me", "af", "il", "mx", "kr", "uk"];

/// The entry of a model, by a name that Bedrock accepts in this region.
pub(super) fn entry(table: &'static ModelTable, region: &str, name: &str) -> Option<CatalogueEntry> {
    let (region, name) = match name.strip_prefix("arn:") {
        Some(rest) => {
            let mut fields = rest.splitn(5, ':').skip(2);
            let (region, _account, resource) = (fields.next()?, fields.next()?, fields.next()?);
            let (kind, id) = resource.split_once('/')?;
            matches!(kind, "foundation-model" | "inference-profile").then_some((region, id))?
        }
        None => (region, name),
    };
    // A row of the table with a region is not a name of Bedrock.
    if name.contains('/') {
        return None;
    }
    let of_profile = || {
        let (profile, base) = name.split_once('.')?;
        PROFILES.contains(&profile).then(|| table.find(base))?
    };
    table.find(&format!("{region}/{name}")).or_else(|| table.find(name)).or_else(of_profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::lookup_in;

    fn entry(region: &str, name: &str) -> Option<CatalogueEntry> {
        lookup_in(TYPE, region, name)
    }

    /// Its price for a million tokens, in thousandths of a dollar.
    fn price(region: &str, name: &str) -> Option<(u64, u64)> {
        let price = entry(region, name)?.price?;
        Some((price.input / 1_000_000, price.output / 1_000_000))
    }

    #[test]
    fn a_model_has_the_price_of_its_region_or_profile() {
        for (region, name, expected) in [
            ("us-east-1", "amazon.nova-pro-v1:0", Some((800, 3_200))),
            ("us-gov-west-1", "amazon.nova-pro-v1:0", Some((960, 3_840))),
            ("eu-central-1", "eu.amazon.nova-pro-v1:0", Some((1_050, 4_200))),
            ("us-east-1", "us.amazon.nova-pro-v1:0", Some((800, 3_200))),
            ("us-east-1", "anthropic.claude-sonnet-4-5-20250929-v1:0", Some((3_000, 15_000))),
            ("us-east-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", Some((3_000, 15_000))),
            ("eu-west-1", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Some((3_300, 16_500))),
            // A profile that the table does not know.
            ("ca-central-1", "ca.amazon.nova-pro-v1:0", Some((800, 3_200))),
            ("us-east-1", "arn:aws:bedrock:us-gov-west-1::foundation-model/amazon.nova-pro-v1:0", Some((960, 3_840))),
            (
                "us-east-1",
                "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0",
                Some((1_050, 4_200)),
            ),
            ("us-east-1", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", None),
            ("us-east-1", "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3", None),
            ("us-east-1", "arn:aws:bedrock:x", None),
            ("us-east-1", "us-gov-west-1/amazon.nova-pro-v1:0", None),
            ("us-east-1", "claude-sonnet-4-5", None),
            ("us-east-1", "evil.amazon.nova-pro-v1:0", None),
            ("us-east-1", "", None),
        ] {
            assert_eq!(price(region, name), expected, "{region} {name}");
        }
        let claude = entry("eu-west-1", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
        assert_eq!((claude.context_window, claude.max_output_tokens), (200_000, 64_000));
    }
}
