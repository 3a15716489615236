"""A tunnel: after a 101 bytes go both ways, unread, until both sides have ended (RFC 9110 §7.8)."""

from __future__ import annotations

from proxy.dataplane.deadlines import Deadlined
from proxy.dataplane.resources import Resources
from proxy.dataplane.roles import Client
from proxy.dataplane.upstream import TargetConnection
from proxy.targets import Target


class Tunnel(Deadlined):
    """Relays an upgraded connection; held back on one side when the other is full, cut when both are silent."""

    __slots__ = ("_client_ended", "_idle_seconds", "_target_ended", "client", "connection", "resources", "target")

    def __init__(
        self,
        resources: Resources,
        client: Client,
        connection: TargetConnection,
        target: Target,
        idle_seconds: float,
    ) -> None:
        super().__init__()
        self.resources = resources
        self.client = client
        self.connection = connection
        self.target = target
        self._idle_seconds = idle_seconds
        self._client_ended = self._target_ended = False

    def open(self) -> None:
        """Take both connections over."""
        self.resources.tunnels.add(self)
        self.connection.user = self
        self.connection.is_tunnel = True
        self.client.become_tunnel(self)
        self._touch()

    def client_data(self, received: bytes) -> bytes:
        """Bytes of the client, for the target."""
        if not self.connection.transport.is_closing():
            self.connection.transport.write(received)
        self._touch()
        return b""

    def target_data(self, received: bytes) -> None:
        """Bytes of the target, for the client."""
        self.client.write(received)
        self._touch()

    def client_full(self) -> None:
        """The client takes no more for now."""
        self.connection.pause_reading()

    def client_ready(self) -> None:
        """The client takes bytes again."""
        self.connection.resume_reading()

    def target_full(self) -> None:
        """The target takes no more for now."""
        self.client.pause_reading()

    def target_ready(self) -> None:
        """The target takes bytes again."""
        self.client.resume_reading()

    def client_ended(self) -> None:
        """The client has sent its last byte; the other way stays open."""
        self._client_ended = True
        if self._target_ended:
            self.close()
        elif not self.connection.transport.is_closing():
            self.connection.transport.write_eof()

    def target_ended(self) -> None:
        """The target has sent its last byte; the other way stays open."""
        self._target_ended = True
        if self._client_ended:
            self.close()
        else:
            self.client.write_eof()

    def client_lost(self) -> None:
        """The client is gone."""
        self.close()

    def target_lost(self) -> None:
        """The target is gone."""
        self.close()

    def expire(self, now: float) -> None:
        """Nothing moved for too long, or the version left and the grace is over."""
        self.close()

    def close(self) -> None:
        """End both sides; what was written is still delivered."""
        if self not in self.resources.tunnels:
            return
        self.resources.tunnels.discard(self)
        self.resources.deadlines.forget(self)
        self.connection.close()
        self.client.close()

    def close_within(self, seconds: float) -> None:
        """Close after a grace, whatever moves."""
        self._idle_seconds = 0
        self.resources.deadlines.arm(self, self.resources.clock() + seconds)

    def _touch(self) -> None:
        if self._idle_seconds:
            self.resources.deadlines.arm(self, self.resources.clock() + self._idle_seconds)
