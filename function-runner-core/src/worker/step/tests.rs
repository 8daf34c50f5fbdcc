//! The worker without clock, queue and bodies: each rule by itself, then all of them from seeds.

mod asks;
mod bodies;
mod calls;
mod leases;
mod play;
mod simulation;
