"""What KFP's API server asks Kubernetes about each request: whose token it is, and whether that account may.

As in KFP's `backend/src/apiserver/auth/authenticator_token_review.go` and `resource/resource_manager.go`.
"""

from tests.kfp_server.authorization import Access
from tests.kfp_server.refusals import RefusedError
from tests.kubernetes.api_server import KubernetesApi

from kubernetes import client

AUDIENCE = "pipelines.kubeflow.org"
_GROUP, _VERSION = "pipelines.kubeflow.org", "v1beta1"


class Reviews:
    """Decides by what a Kubernetes API answers.

    Args:
        api: The API.

    Attributes:
        needed: The rights that were asked about, as pairs of resource and verb.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._tokens = client.AuthenticationV1Api(api.administrator())
        self._rights = client.AuthorizationV1Api(api.administrator())
        self.needed: set[tuple[str, str]] = set()

    def __call__(self, token: str, access: Access) -> None:
        """Returns if the token's account has the right.

        Raises:
            RefusedError: It is no valid token for KFP, or the account has not.
        """
        user = self._user(token)
        self.needed.add((access.resource, access.verb))
        attributes = client.V1ResourceAttributes(
            group=_GROUP, version=_VERSION, resource=access.resource, verb=access.verb, namespace=access.namespace
        )
        spec = client.V1SubjectAccessReviewSpec(resource_attributes=attributes, user=user)
        status = self._rights.create_subject_access_review(client.V1SubjectAccessReview(spec=spec)).status
        if not status.allowed:
            text = f"Namespace:{access.namespace},Verb:{access.verb},Group:{_GROUP},Version:{_VERSION},Resource:{access.resource}"
            raise RefusedError(
                403,
                f"PermissionDenied: User '{user}' is not authorized with reason: {status.reason or ''} "
                f"(request: &ResourceAttributes{{{text},}}): Unauthorized access",
            )

    def _user(self, token: str) -> str:
        spec = client.V1TokenReviewSpec(token=token, audiences=[AUDIENCE])
        status = self._tokens.create_token_review(client.V1TokenReview(spec=spec)).status
        if not status.authenticated:
            raise RefusedError(
                401,
                "Unauthenticated: Failed to check authorization. User identity is empty in the request header: "
                f"Review.Status.Authenticated is false. Error {status.error}",
            )
        return str(status.user.username)
