//! What `target` does beyond reading its arguments.
//!
//! | module | concern |
//! |---|---|
//! | [`change`] | a spec becomes a plan, is shown, and applied under the lock |
//! | [`files`] | reading a file of any format, saving the target to one |
//! | [`resize`] | disks that have grown |
//! | [`dot`] | the topology as a drawing |

pub mod change;
pub mod dot;
pub mod files;
pub mod resize;
