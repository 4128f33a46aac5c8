//! What `docs/conversion.md` promises to be complete is.

use std::collections::BTreeSet;
use std::fs;

use crate::support::fixtures;

#[test]
fn every_code_of_the_catalogue_has_its_row() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/conversion.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = |title: &str| -> BTreeSet<String> {
        let (_, section) = page.split_once(title).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let first_cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        first_cells.flat_map(|cell| cell.split('`').step_by(2)).map(str::to_owned).collect()
    };
    let (warnings, errors) = (rows("\n## Warnings\n"), rows("\n## Errors\n"));
    for fixture in fixtures() {
        match fixture.expected {
            Ok(sound) => {
                for code in sound.warnings {
                    assert!(warnings.contains(code), "{}: the warning {code} has no row", fixture.name);
                }
            }
            Err(code) => assert!(errors.contains(code), "{}: the error {code} has no row", fixture.name),
        }
    }
}
