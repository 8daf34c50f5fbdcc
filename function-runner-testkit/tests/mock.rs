//! The mock keeps the executor's contract.

use function_runner_testkit::{MockExecutor, executor_conformance};

executor_conformance!(|case| async move { MockExecutor::serving(case.functions).times(case.times) });
