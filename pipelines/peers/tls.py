"""What is trusted and shown by TLS, whatever the protocol."""

import os
import ssl

from pipelines.core.errors import SettingsError
from pipelines.core.node_settings import NodeSettings

KEY_PASSWORD_VARIABLE = "MOSMED_PACS_KEY_PASSWORD"  # noqa: S105  the name, not the word


def tls_context(settings: NodeSettings, *, is_server: bool = False) -> ssl.SSLContext:
    """What is trusted and shown by TLS; raises SettingsError where a file cannot be used."""
    purpose = ssl.Purpose.CLIENT_AUTH if is_server else ssl.Purpose.SERVER_AUTH
    try:
        context = ssl.create_default_context(purpose, cafile=settings.tls_ca)
        if settings.tls_certificate is not None:
            password = os.environ.get(KEY_PASSWORD_VARIABLE, "")
            context.load_cert_chain(settings.tls_certificate, settings.tls_key, lambda: password)
    except OSError as error:
        raise SettingsError(
            f"[export] the certificates for TLS cannot be used: {type(error).__name__}",
            hint=f"Look at tls_ca, tls_certificate, tls_key and {KEY_PASSWORD_VARIABLE}.",
        ) from error
    if is_server and settings.tls_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
