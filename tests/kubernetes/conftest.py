"""Fixtures: a fake cluster with the Role and the objects that the manifests ship."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from proxy.kubernetes.api import Api
from tests.kubernetes.cluster import Cluster

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for the whole run: a key takes a while to make."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the fake API server's certificate, is not installed")
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture
async def cluster(certificates: Path) -> AsyncIterator[Cluster]:
    """A cluster that has what `base` and `shared-state` of the manifests put there."""
    roles = [
        next(yaml.safe_load_all((MANIFESTS / part / "rbac.yaml").read_text())) for part in ("base", "shared-state")
    ]
    running = Cluster(certificates, [rule for role in roles for rule in role["rules"]])
    for shipped in yaml.safe_load_all((MANIFESTS / "shared-state" / "state.yaml").read_text()):
        is_lease = shipped["kind"] == "Lease"
        running.put("coordination.k8s.io/v1" if is_lease else "v1", "leases" if is_lease else "configmaps", shipped)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    """A client that has the pod's token."""
    client = Api(cluster.access)
    yield client
    await client.close()
