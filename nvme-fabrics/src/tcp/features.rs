//! Features of a controller.

use nvme_proto::command::admin::{GetFeatures, SetFeatures};
use nvme_proto::feature::{Feature, FeatureId, FeatureValue};

use super::controller::{Controller, Transfer};
use super::error::CommandError;
use super::open::halves;

impl Controller {
    /// A feature whose value is a dword, as it is in force.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn feature(&self, feature: FeatureId) -> Result<Feature, CommandError> {
        let [value, _] =
            halves(self.ask(GetFeatures::new(feature).to_sqe(), Transfer::None).await?.cqe.result());
        Ok(Feature::new(feature, value))
    }

    /// The same by its type.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn feature_of<F: FeatureValue>(&self) -> Result<F, CommandError> {
        let feature = self.feature(F::ID).await?;
        Ok(F::from_dword(feature.value()))
    }

    /// Sets a feature until the next reset; returns dword 0 of the completion, which says what is in force for some features. Setting the same value
    /// twice makes no difference, but the command is not sent again when its connection is lost: the new association begins with what it has.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn set_feature<F: FeatureValue>(&self, value: F) -> Result<u32, CommandError> {
        let answer = self.admin(SetFeatures::of(value).to_sqe(), Transfer::None).await?;
        let [dw0, _] = halves(answer.cqe.result());
        Ok(dw0)
    }
}
