//! The lists of cases and the contracts do not drift apart.

const EXECUTOR: &[&str] = crate::__conformance_cases! { executor, __conformance_names [] };
const QUEUE: &[&str] = crate::__conformance_cases! { queue, __conformance_names [] };
const INSPECT: &[&str] = crate::__conformance_cases! { inspect, __conformance_names [] };
const OPERATE: &[&str] = crate::__conformance_cases! { operate, __conformance_names [] };
const ARTIFACTS: &[&str] = crate::__conformance_cases! { artifacts, __conformance_names [] };

/// The names of the sentences in a trait's `# Contract`.
fn contract(source: &str) -> Vec<&str> {
    let contract = source.split("/// # Contract").nth(1).expect("the trait has a contract");
    let lines = contract.lines().take_while(|line| !line.starts_with("#[async_trait]"));
    lines.filter_map(|line| line.strip_prefix("/// - `")?.split_once("`: ")).map(|(name, _)| name).collect()
}

fn assert_same(source: &str, cases: &[&str]) {
    let sentences = contract(source);
    let missing: Vec<_> = sentences.iter().filter(|name| !cases.contains(*name)).collect();
    let extra: Vec<_> = cases.iter().filter(|name| !sentences.contains(*name)).collect();
    assert!(missing.is_empty(), "sentences without a case: {missing:?}");
    assert!(extra.is_empty(), "cases without a sentence: {extra:?}");
    assert_eq!(sentences.len(), cases.len(), "each once");
}

#[test]
fn every_sentence_of_executor_has_its_case() {
    assert_same(include_str!("../../../function-runner-core/src/executor.rs"), EXECUTOR);
}

#[test]
fn every_sentence_of_queue_has_its_case() {
    assert_same(include_str!("../../../function-runner-core/src/queue.rs"), QUEUE);
}

#[test]
fn every_sentence_of_inspect_has_its_case() {
    assert_same(include_str!("../../../function-runner-core/src/inspect.rs"), INSPECT);
}

#[test]
fn every_sentence_of_operate_has_its_case() {
    assert_same(include_str!("../../../function-runner-core/src/operate.rs"), OPERATE);
}

#[test]
fn every_sentence_of_artifact_store_has_its_case() {
    // the macro adds this one by hand, since it may have to be ignored
    let cases = [ARTIFACTS, &["damaged_content_is_told"]].concat();
    assert_same(include_str!("../../../function-runner-core/src/artifact.rs"), &cases);
}
