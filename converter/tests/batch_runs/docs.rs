//! Every rule of `docs/batch.md` that names its test has it.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/batch.md")).unwrap();
    // Words in back-ticks with a :: in them, which nothing else on the page has.
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for word in named {
        let (module, test) = word.rsplit_once("::").unwrap();
        let module = module.trim_end_matches("::tests").replace("::", "/");
        let places = ["src/batch", "tests/batch_runs"].map(|folder| root.join(folder).join(&module));
        let files = places.iter().flat_map(|place| [place.with_extension("rs"), place.join("tests.rs")]);
        let texts: Vec<_> = files.filter_map(|file| fs::read_to_string(file).ok()).collect();
        assert!(!texts.is_empty(), "{word}: there is no such module");
        let whole = test == "*" || test == "tests";
        let there = |text: &String| whole || text.contains(&format!("fn {test}("));
        assert!(texts.iter().any(there), "{word}: there is no such test");
    }
}
