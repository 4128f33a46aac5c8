//! `cluster status`: what runs, and where.

use std::fmt::Write as _;

use anyhow::Result;

use super::layout::Layout;
use super::{Ports, kubectl, netns, process};

/// A table for people, one line a process; without a cluster one line that says so.
///
/// # Errors
/// If the records cannot be read.
pub fn table(layout: &Layout) -> Result<String> {
    if !layout.state_dir.exists() {
        return Ok(format!("no cluster `{}`: start it with `cluster up`\n", layout.name));
    }
    let mut text = format!("{:<26}{:>9}  {:<9}LOG\n", "PROCESS", "PID", "STATE");
    for record in process::records(layout)? {
        let state = if record.alive() { "running" } else { "ended" };
        let log = layout.log(&record.name);
        writeln!(text, "{:<26}{:>9}  {:<9}{}", record.name, record.pid, state, log.display())?;
    }
    writeln!(text)?;
    if netns::exists(layout)? {
        writeln!(text, "namespace  nsenter --net={}", layout.netns.display())?;
        match kubectl::run(layout, &["get", "nodes", "--no-headers"], "") {
            Ok(nodes) => writeln!(text, "node       {}", nodes.trim())?,
            Err(error) => writeln!(text, "node       {error}")?,
        }
    }
    if let Ok(ports) = Ports::read(layout) {
        writeln!(text, "page       {}", ports.page_url())?;
    }
    writeln!(text, "kubectl    export KUBECONFIG={}", layout.kubeconfig.display())?;
    Ok(text)
}
