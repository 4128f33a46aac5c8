//! What is left for whoever looks into a failure: files under `artifacts/<test>/`, named after the namespace that they
//! are about.

use std::fs;

use super::kubectl;
pub use super::support::artifacts::file;

/// Writes down the state of a namespace and the operator's last words, and prints the shortest of it.
///
/// Called while a test panics, so it never panics itself.
pub fn describe(namespace: &str) {
    let n = format!("-n {namespace}");
    let parts = [
        ("resources.txt", format!("{n} get acv,cvj,deploy,rs,svc,hpa,jobs,pods,pvc -o wide"), true),
        ("events.txt", format!("{n} get events --sort-by=.metadata.creationTimestamp"), true),
        ("conditions.yaml", format!("{n} get acv,cvj -o yaml"), false),
        ("describe.txt", format!("{n} describe acv,cvj,deploy,svc,hpa,jobs,pods"), false),
        (
            "pods.log",
            format!("{n} logs -l app.kubernetes.io/name=flacship-converter --prefix --tail=200 --ignore-errors"),
            false,
        ),
        (
            "operator.log",
            format!("-n {} logs deploy/{} --tail=400", super::operator::NAMESPACE, super::operator::NAME),
            true,
        ),
    ];
    for (name, line, print) in parts {
        let words: Vec<&str> = line.split_whitespace().collect();
        let said = kubectl::run_quietly(&words, None);
        let text = format!("$ kubectl {line}\n{}{}", said.stdout, said.stderr);
        if print {
            let lines: Vec<&str> = text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = fs::write(file(&format!("{namespace}.{name}")), text);
    }
    println!("more in {}", file("").display());
}
