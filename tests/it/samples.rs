//! Every page is rendered with samples, whose every text is a script, by the tests of its own service. What the
//! browser must look at, `browser::walk` says.

use std::fs;
use std::path::{Path, PathBuf};

/// A service, and where its samples are.
const SITES: [(&str, &str); 2] = [("portal", "samples.rs"), ("console", "tests.rs")];

/// Pages of a module that `samples` neither builds nor lets one of the module's functions build.
fn without_sample(module: &str, source: &str, samples: &str) -> Vec<String> {
    let is_rendered = |page: &String| {
        let own = format!("{module}::{page} {{");
        let made = makers(source, page).into_iter().flat_map(|maker| {
            // A function of the module, or of the door that both sites have.
            [format!("{module}::{maker}("), format!("{module}::DOOR.{maker}(")]
        });
        std::iter::once(own).chain(made).any(|text| samples.contains(&text))
    };
    pages(source).into_iter().filter(|page| !is_rendered(page)).collect()
}

/// Names of the structs that have a template.
fn pages(source: &str) -> Vec<String> {
    let templates = source.split("#[template(path = ").skip(1);
    templates.filter_map(|rest| Some(word(rest.split_once("struct ")?.1))).collect()
}

/// Names of the functions that answer a `page`.
fn makers(source: &str, page: &str) -> Vec<String> {
    let signatures = source.split("fn ").skip(1).filter_map(|rest| rest.split_once(" {"));
    let answers = |signature: &str| signature.rsplit_once("-> ").is_some_and(|(_, of)| word(of) == page);
    signatures.filter(|(signature, _)| answers(signature)).map(|(signature, _)| word(signature)).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let files =
        fs::read_dir(folder).expect("a folder of sources").map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|end| end == "rs")).collect()
}

#[test]
fn every_page_of_both_sites_is_rendered_with_samples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut missing, mut count) = (Vec::new(), 0);
    for (site, samples) in SITES {
        let folder = root.join("services").join(site).join("src");
        let rendered = read(&folder.join(samples));
        let door = root.join("crates/site/src/door.rs");
        for file in sources(&folder).into_iter().filter(|file| !file.ends_with(samples)).chain([door]) {
            let (module, source) = (file.file_stem().expect("a name").to_string_lossy(), read(&file));
            count += pages(&source).len();
            missing.extend(without_sample(&module, &source, &rendered).into_iter().map(|page| {
                format!(
                    "services/{site}/src/{samples} has no sample of {module}::{page}: check one there, with its \
                     payload in every text"
                )
            }));
        }
    }
    assert!(count > 30, "only {count} pages were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_page_without_a_sample_is_noticed() {
    let source = "#[derive(Template)]\n#[template(path = \"a.html\")]\npub struct OnePage {\n}\n\
                  #[template(path = \"b.html\")]\nstruct OtherPage {\n}\n\
                  pub fn view(shell: Shell) -> OtherPage {\n}\nfn title(page: &OnePage) -> String {\n}\n";
    let missing = |samples| without_sample("news", source, samples);
    assert_eq!(missing(""), ["OnePage", "OtherPage"]);
    assert_eq!(missing("check(&news::OnePage { shell })"), ["OtherPage"]);
    assert_eq!(missing("check(&news::view(shell()))"), ["OnePage"]);
    assert_eq!(missing("old::OnePage { } news::title( news::OtherPages {"), ["OnePage", "OtherPage"]);
}
