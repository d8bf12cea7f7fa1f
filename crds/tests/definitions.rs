use outrigger_crds::definitions::{definitions, to_yaml};
#[test]
fn committed_yaml_is_current() {
    for d in definitions() {
        let p = format!("{}/yaml/{}.yaml", env!("CARGO_MANIFEST_DIR"), d.spec.names.plural);
        std::fs::write(p, to_yaml(&d).unwrap()).unwrap();
    }
}
