//! What inputs are taken for, and what a broken one costs.

use std::path::PathBuf;

use super::program::{answer, doctor, examine, fixtures, ids, stdout};

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_broken_document_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(fixtures().join("grpc-port/bad-unsaid.yaml")).unwrap();
    let lines = good.lines().count() as u64;
    let path = file(
        &folder,
        "all.yaml",
        &format!("{good}---\nkind: [Service\nmetadata: {{}}\n"),
    );
    let output = doctor(&[path.into_os_string(), "--output".into(), "json".into()]);
    let answer = answer(&output);
    assert_eq!(ids(&answer), ["grpc-port"]);
    let problem = &answer["problems"][0];
    assert!(
        problem["line"].as_u64().is_some_and(|line| line > lines),
        "{problem}"
    );
    assert!(
        problem["what"]
            .as_str()
            .unwrap()
            .starts_with("document 4: is not valid YAML"),
        "{problem}"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn an_unreadable_file_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let broken = file(&folder, "a.json", "{\n \"configs\": [\n}");
    let answer = examine(&[broken, fixtures().join("grpc-port/bad-unsaid.yaml")]);
    assert_eq!(ids(&answer), ["grpc-port"]);
    assert_eq!(answer["problems"][0]["line"], 3);
}

#[test]
fn a_list_of_kubectl_is_the_same_as_its_documents() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(fixtures().join("grpc-port/bad-unsaid.yaml")).unwrap();
    let items: Vec<String> = good
        .split("---\n")
        .map(|document| format!("- {}", document.trim_end().replace('\n', "\n  ")))
        .collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}\n", items.join("\n"));
    let answer = examine(&[file(&folder, "list.yaml", &list)]);
    assert_eq!(ids(&answer), ["grpc-port"]);
    assert_eq!(
        answer["findings"][0]["where"]["path"],
        "items[1].spec.ports[0]"
    );
    assert_eq!(answer["findings"][0]["where"]["line"], 17);
}

#[test]
fn what_is_read_and_nothing_to_check_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "crd.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    );
    let answer = examine(&[path]);
    assert_eq!(answer["inputs"][0]["taken_for"], "Kubernetes: Namespace");
}

#[test]
fn a_folder_says_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "a.yaml", "apiVersion: v1\nkind: Namespace\n");
    file(&folder, "README.md", "no manifest");
    let answer = examine(&[folder.path().to_owned()]);
    let taken_for = answer["inputs"][0]["taken_for"].as_str().unwrap();
    assert_eq!(
        taken_for,
        "a folder with 1 file of YAML or JSON; 1 other not read"
    );
}

#[test]
fn a_file_of_the_bootstrap_is_looked_at_like_a_dump() {
    let root = fixtures().join("../../../../envoy/mirror.yaml");
    let answer = examine(&[root]);
    assert_eq!(
        answer["inputs"][0]["taken_for"],
        "bootstrap configuration of an Envoy"
    );
    // Its README says so: it mirrors all methods, and leaves deadlines to clients.
    assert_eq!(ids(&answer), ["mirror-stall", "mirrored-writes"]);
}

#[test]
fn a_patch_of_kustomize_in_a_folder_is_named_and_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    file(
        &folder,
        "kustomization.yaml",
        "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n",
    );
    let patch = file(&folder, "patch.yaml", "- op: remove\n  path: /spec\n");
    let answer = examine(&[folder.path().to_owned()]);
    assert_eq!(answer["problems"], serde_json::json!([]));
    let taken_for = |index: usize| answer["inputs"][index]["taken_for"].as_str().unwrap();
    assert!(
        taken_for(2).starts_with("not understood, left out: document 1"),
        "{answer:#}"
    );
    assert_eq!(examine(&[patch])["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn an_empty_input_is_no_clean_bill_of_health() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("a.yaml", ""), ("b.yaml", "---\n# nothing\n---\n")] {
        let path = file(&folder, name, text);
        assert_eq!(doctor(&[path]).status.code(), Some(3), "{name}");
    }
}

#[test]
fn only_regular_files_of_a_folder_are_opened() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let target = tempfile::tempdir().unwrap();
    let linked = file(&target, "a.yaml", "apiVersion: v1\nkind: Namespace\n");
    std::os::unix::fs::symlink(linked, folder.path().join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero.json")).unwrap();
    let pipe = folder.path().join("pipe.yaml");
    // Whoever opens it waits for a writer.
    mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let answer = examine(&[folder.path().to_owned()]);
    assert_eq!(
        answer["inputs"][0]["taken_for"],
        "a folder with 1 file of YAML or JSON; not looked at: 2 pipes, folders or devices named like a file"
    );
    assert_eq!(answer["inputs"][1]["taken_for"], "Kubernetes: Namespace");
    assert_eq!(answer["problems"], serde_json::json!([]));
}

#[test]
fn kustomize_is_proposed_for_folders_that_have_a_kustomization() {
    let proposal = |kustomizations: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        file(&folder, "a.yaml", "apiVersion: v1\nkind: Namespace\n");
        for name in kustomizations {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n";
            std::fs::write(path, text).unwrap();
        }
        let answer = examine(&[folder.path().to_owned()]);
        let taken_for = answer["inputs"][0]["taken_for"].as_str().unwrap();
        taken_for.replace(folder.path().to_str().unwrap(), "DIR")
    };
    assert!(!proposal(&[]).contains("kustomize"));
    let here = proposal(&["kustomization.yaml", "base/kustomization.yaml"]);
    assert!(here.contains("`kubectl kustomize DIR |"), "{here}");
    assert!(!here.contains("other folders"), "{here}");
    let below = proposal(&["base/Kustomization", "prod/kustomization.yml"]);
    assert!(below.contains("`kubectl kustomize DIR/base |"), "{below}");
    assert!(below.contains("1 other folder with"), "{below}");
}

#[test]
fn inputs_that_doctor_knows_nothing_of_are_no_clean_bill_of_health() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let kinds: String = (0..8)
        .map(|number| format!("apiVersion: v1\nkind: Odd{number}\n---\n"))
        .collect();
    let odd = file(&folder, "odd.yaml", &kinds);
    for path in [empty, odd.clone()] {
        let output = doctor(&[path]);
        assert_eq!(output.status.code(), Some(4));
        let text = stdout(&output);
        assert!(
            text.contains("nothing that was given is of a kind"),
            "{text}"
        );
        assert!(!text.contains("0 errors"), "{text}");
    }
    let answer = examine(std::slice::from_ref(&odd));
    assert_eq!(answer["recognised"], false);
    assert_eq!(
        answer["inputs"][0]["taken_for"],
        "Kubernetes: 8 documents of kinds that no check reads: Odd0, Odd1, Odd2, Odd3, Odd4 and 3 more kinds"
    );
    let service = file(&folder, "service.yaml", "apiVersion: v1\nkind: Service\n");
    let answer = examine(&[odd, service]);
    assert_eq!(answer["recognised"], true);
}

#[test]
fn settings_that_the_filter_refuses_are_found_in_a_bootstrap_file_at_their_line() {
    let root = fixtures().join("../../../../envoy/mirror.yaml");
    let text = std::fs::read_to_string(root).unwrap();
    let broken = text.replace("\"service\": \"orders\"", "\"services\": \"orders\"");
    assert_ne!(text, broken);
    let folder = tempfile::tempdir().unwrap();
    let answer = examine(&[file(&folder, "envoy.yaml", &broken)]);
    let finding = &answer["findings"][0];
    assert_eq!(finding["id"], "filter-settings", "{answer:#}");
    let what = finding["what"].as_str().unwrap();
    assert!(what.contains("the key \"services\""), "{what}");
    let line = usize::try_from(finding["where"]["line"].as_u64().unwrap()).unwrap();
    // The text begins on the line behind its key.
    assert_eq!(broken.lines().nth(line - 1).unwrap().trim(), "{");
    assert!(broken.lines().nth(line - 2).unwrap().contains("value: |"));
}

#[test]
fn an_envoy_without_istio_gets_the_checks_and_the_advice_of_one() {
    let root = fixtures().join("../../../../envoy/mirror.yaml");
    let text = std::fs::read_to_string(root).unwrap();
    let local = "code: {local: {filename: target/wasm32-wasip1/wasm/twintap_filter.wasm}}";
    let remote =
        "code: {remote: {http_uri: {uri: \"http://x/f.wasm\", cluster: old, timeout: 5s}}}";
    let changed = text
        .replacen("vm_id: twintap", "vm_id: another", 1)
        .replacen(local, remote, 1);
    let folder = tempfile::tempdir().unwrap();
    let answer = examine(&[file(&folder, "envoy.yaml", &changed)]);
    assert_eq!(
        ids(&answer),
        [
            "mirror-stall",
            "mirrored-writes",
            "module-load",
            "vm-memory"
        ]
    );
    for finding in answer["findings"].as_array().unwrap() {
        let remedy = finding["remedy"].as_str().unwrap();
        for word in [
            "VirtualService",
            "DestinationRule",
            "EXTENSION_CONFIG",
            "proxy.istio.io",
        ] {
            assert!(!remedy.contains(word), "{finding:#}");
        }
    }
    let dump = fixtures().join("mirrored-writes/bad-envoy.json");
    let of_istio = &examine(&[dump])["findings"][0];
    assert!(of_istio["remedy"].as_str().unwrap().contains("GRPCRoute"));
}
