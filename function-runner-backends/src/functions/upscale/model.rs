//! Models as networks that are ready to run, shared by the tasks of a lane.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use function_runner_core::{Context, Failure};

use crate::{models, networks::Network};

/// The networks that a lane has loaded, by the names of their models.
type Loaded = Mutex<BTreeMap<String, Network>>;

/// The network of a model, loaded by the first task of the lane that wants it.
///
/// # Errors
///
/// As [`open`].
pub(super) fn shared(ctx: &Context, name: &str) -> Result<Network, Failure> {
    let loaded = ctx.shared(|| Ok(Loaded::default()))?;
    let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(network) = loaded.get(name) {
        return Ok(network.clone());
    }
    let network = open(name)?;
    loaded.insert(name.to_owned(), network.clone());
    Ok(network)
}

/// Opens a model's file, once it is known to be the right one.
///
/// # Errors
///
/// A permanent failure where the model is not installed, or is not what it should be: trying again is no use.
pub(super) fn open(name: &str) -> Result<Network, Failure> {
    let path = models::verified(name).map_err(models::ModelError::into_failure)?;
    Network::open(&path).map_err(|error| {
        let failure = Failure::permanent(format_args!("the model `{name}` cannot be used: {error}"));
        failure.remedy(format!("install it again: fnr models install {name} --from PATH-OR-URL"))
    })
}
