use super::{call::{ApiResult, Call}, route::Route};
pub(crate) const ROUTES: &[Route] = &[];
pub(crate) fn mine(call: &mut Call<'_>) -> ApiResult { call.page(Vec::new()) }
