//! A CustomResourceDefinition of another project in the cluster, for as long as a test holds it.

use e2e::cluster::foreign::Foreign;

use super::kubectl;
use super::wait::{self, STEP};

/// One that is installed; dropping it takes it away, and with it all objects of the kind.
pub struct Installed(Foreign);

impl Installed {
    /// Installs it and waits until the apiserver serves it.
    pub fn new(foreign: Foreign) -> Self {
        let file = foreign.manifest().expect("`make up` has fetched the definitions");
        let file = file.display();
        // As the projects say: the definitions are too large for the annotation of a client-side apply.
        kubectl::run(&format!("apply --server-side --force-conflicts -f {file}"), None).unwrap();
        let installed = Self(foreign);
        // `kubectl wait` fails over a definition that has no conditions yet.
        let established = r#"jsonpath={.status.conditions[?(@.type=="Established")].status}"#;
        wait::until(&format!("{} is served", foreign.name()), STEP, || {
            let said = kubectl::run_quietly(&["get", "crd", foreign.name(), "-o", established], None);
            if said.stdout.trim() == "True" { Ok(()) } else { Err(format!("{}{}", said.stdout, said.stderr)) }
        });
        installed
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let said =
            kubectl::run(&format!("delete crd {} --wait=true --timeout={}s", self.0.name(), STEP.as_secs()), None);
        if !std::thread::panicking() {
            said.unwrap();
        }
    }
}
