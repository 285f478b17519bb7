use super::{call::{ApiError, Call}, route::Route};
pub(crate) const ROUTES: &[Route] = &[];
pub(crate) fn demand(call: &Call<'_>) -> Result<(), ApiError> { if call.is_admin() { Ok(()) } else { Err(ApiError::forbidden("user should be the site admin")) } }
