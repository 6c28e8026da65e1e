"""The only reader of the environment, and the one place that sets it for the libraries we use."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightdesk.errors import Misconfigured
from nightdesk.notices import require_addresses, secrets_of
from nightdesk.secrecy import hide
from nightdesk.secrets_file import SECRETS, secrets_in

SHORTEST_TOKEN: Final = 22
"""128 bits in base64."""

CHECKOUT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What the environment says (`NIGHTDESK_...`). Paths are absolute once read."""

    model_config = SettingsConfigDict(
        env_prefix="NIGHTDESK_", frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    home: Path = Field(Path("var"), description="The only folder the program writes to.")
    strategies: Path = Field(Path("strategies"), description="Where strategy files lie; the checkout's own if absent.")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the Prefect server that `nightdesk up` starts.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of the MLflow server that `nightdesk up` starts.")
    prefect_api_url: str = Field("", description="A Prefect server to use; empty: that of `nightdesk up`, else an embedded one.")
    mlflow_uri: str = Field("", description="An MLflow server to log to; empty: SQLite in the home.")
    console_url: str = Field("http://127.0.0.1:4300", description="Where a browser finds the console: links to it.")
    data: Path = Field(Path("data"), description="The folder of CSV and Parquet files that the source csvdir reads.")
    store: str = Field("", description="Where the bars are kept, as s3://bucket/folder; empty: in the home.")
    ledger: SecretStr = Field(
        SecretStr(""),
        description="A PostgreSQL database for the ledgers, as postgresql://user@host/name; empty: SQLite in the home.",
    )
    prefect_database: SecretStr = Field(
        SecretStr(""), description="A PostgreSQL database for the Prefect server of `nightdesk up`; empty: SQLite in the home."
    )
    mlflow_database: SecretStr = Field(
        SecretStr(""), description="A PostgreSQL database for the MLflow server of `nightdesk up`; empty: SQLite in the home."
    )
    yahoo_url: str = Field("", description="Another server that speaks Yahoo's chart API; empty: Yahoo's own.")
    alpaca_data_url: str = Field("", description="Another server that speaks Alpaca's data API; empty: Alpaca's own.")
    alpaca_url: str = Field("", description="Another server that speaks Alpaca's trading API; empty: its paper service.")
    live_account: str = Field("", description="The number of the account that may be traded live; empty: none.")
    alpaca_key_id: str = Field("", validation_alias="APCA_API_KEY_ID", repr=False, description="The id of an Alpaca key.")
    alpaca_secret_key: SecretStr = Field(
        SecretStr(""), validation_alias="APCA_API_SECRET_KEY", description="The secret of that key."
    )
    notify: SecretStr = Field(
        SecretStr(""), description="Where notices go: addresses for apprise, with spaces or commas between them."
    )
    console_token: SecretStr = Field(
        SecretStr(""), description="What opens the console where others can reach it; empty: a new one at each start."
    )

    @field_validator("console_token")
    @classmethod
    def _unguessable(cls, token: SecretStr) -> SecretStr:
        length = len(token.get_secret_value())
        if 0 < length < SHORTEST_TOKEN:
            raise ValueError(f"was {length} characters long, allowed: {SHORTEST_TOKEN} or more")
        return token

    @field_validator("console_url")
    @classmethod
    def _bare(cls, address: str) -> str:
        if not is_bare_address(address):
            raise ValueError("allowed: a scheme and a host, as https://desk.example, and nothing after it")
        return address

    @field_validator("notify")
    @classmethod
    def _sendable(cls, addresses: SecretStr) -> SecretStr:
        require_addresses(addresses)
        return addresses

    @field_validator("ledger", "prefect_database", "mlflow_database")
    @classmethod
    def _postgres(cls, address: SecretStr) -> SecretStr:
        text = address.get_secret_value()
        if text and not re.fullmatch(r"postgresql(\+\w+)?://[^/\s]*/[^/\s?]+(\?\S*)?", text):
            raise ValueError(
                "an address begins with postgresql:// and names a host and a database, as postgresql://user@host/name"
            )
        return address

    @model_validator(mode="after")
    def _hidden(self) -> "Settings":
        own = (self.alpaca_secret_key, self.console_token)
        hide([self.alpaca_key_id, *(secret.get_secret_value() for secret in own), *secrets_of(self.notify)])
        for address in (self.ledger, self.prefect_database, self.mlflow_database):
            hide(_passwords(address))
        return self

    @field_validator("home", "strategies", "data")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @property
    def strategies_dir(self) -> Path:
        """The folder of strategy files: the one that is set, or the checkout's where that does not exist."""
        return self.strategies if self.strategies.is_dir() else CHECKOUT / "strategies"

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def mlflow_url(self) -> str:
        """Where a person's browser finds MLflow."""
        return self.mlflow_uri if self.mlflow_uri.startswith("http") else f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def tracking_uri(self) -> str:
        """Where the desk logs to: with a database of its own, MLflow is reached through its server."""
        if self.mlflow_database.get_secret_value():
            return self.mlflow_url
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def ledgers(self) -> Path | SecretStr:
        """Where the ledgers are: the home, or the address of a database."""
        return self.ledger if self.ledger.get_secret_value() else self.home

    @property
    def locks(self) -> Path | SecretStr:
        """Where the locks of the accounts are: with the ledgers, so that they hold among all who write to those."""
        return self.ledger if self.ledger.get_secret_value() else self.home / "locks"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once: the environment's, and of the home's `secrets.env` what it does not set.

    From here on no log record holds a secret.
    """
    here = _read({})
    left_out = {field: value for field, value in secrets_in(here.home).items() if field not in here.model_fields_set}
    return _read(left_out) if left_out else here


def _read(secrets: dict[str, str]) -> Settings:
    try:
        return Settings(**secrets)  # type: ignore[arg-type]  # pydantic makes secrets of texts
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        key = name if name.startswith("APCA_") else f"NIGHTDESK_{name.upper()}"
        refused = first["msg"].removeprefix("Value error, ") if key in SECRETS else ""
    if refused:
        raise Misconfigured(f"{key}: {refused}.", key=key)
    raise Misconfigured.value(key, first["input"], first["msg"])


def is_bare_address(address: str) -> bool:
    """Whether an address is http or https, a host, perhaps a port, and no more."""
    return bool(re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", address))


def _passwords(address: SecretStr) -> list[str]:
    """The password in an address, as it stands there and as it is."""
    password = urlsplit(address.get_secret_value()).password or ""
    return [password, unquote(password)]


def prepare_environment(here: Settings) -> None:
    """Keep every library inside the home, quiet and untracked. Call it before Prefect, MLflow or matplotlib is imported.

    It sets these values whatever was inherited; which Prefect server is used is `use_prefect_api`'s business.
    """
    home = here.home
    fixed = {
        "PREFECT_HOME": home / "prefect",
        "MPLCONFIGDIR": home / "cache" / "matplotlib",
        "NUMBA_CACHE_DIR": home / "cache" / "numba",
        "XDG_CONFIG_HOME": home / "cache" / "config",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_DATA_HOME": home / "cache" / "data",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    for key, value in fixed.items():
        os.environ[key] = str(value)
    os.environ["NIGHTDESK_HOME"] = str(home)
    for folder in (home / "prefect", home / "cache" / "matplotlib"):
        folder.mkdir(parents=True, exist_ok=True)


def use_prefect_api(url: str) -> None:
    """Talk to the Prefect server at `url`, or to an embedded one where it is empty; an inherited address is never used."""
    os.environ.pop("PREFECT_API_URL", None)
    if url:
        os.environ["PREFECT_API_URL"] = url


def order_environment(here: Settings) -> dict[str, str]:
    """The environment of the process that orders: these settings, and nothing of Prefect's or MLflow's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "NIGHTDESK_", "APCA_"))}
    for name, field in Settings.model_fields.items():
        value = getattr(here, name)
        told = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        kept[str(field.validation_alias or f"NIGHTDESK_{name.upper()}")] = told
    return kept


def started_by_up(here: Settings) -> str:
    """What stands in the environment of all that `nightdesk up` starts in this home, but of the processes that order."""
    return f"NIGHTDESK_UP={here.home}"


def prefect_environment(here: Settings) -> dict[str, str]:
    """What the Prefect server of `nightdesk up` has beside the environment of the others: its database, with the password."""
    address = here.prefect_database.get_secret_value()
    named = re.sub(r"^postgresql(\+\w+)?:", "postgresql+asyncpg:", address)
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": named} if named else {}


def mlflow_environment(here: Settings) -> dict[str, str]:
    """What the MLflow server has: its database, not on its command line, which every user of the machine can read."""
    address = here.mlflow_database.get_secret_value()
    named = re.sub(r"^postgresql(\+\w+)?:", "postgresql+psycopg:", address)
    return {"MLFLOW_BACKEND_STORE_URI": named or here.tracking_uri}


def service_environment(here: Settings) -> dict[str, str]:
    """The environment of what `nightdesk up` starts: this process's own after `prepare_environment`, at these ports.

    Addresses of other servers are not passed on, so that the worker and its runs reach this one.
    """
    elsewhere = ("PREFECT_API_", "PREFECT_UI_", "PREFECT_SERVER_UI_", "PREFECT_PROFILE", "MLFLOW_TRACKING_", "MLFLOW_REGISTRY_")
    passed_on = {key: value for key, value in os.environ.items() if not key.startswith(elsewhere)}
    api = f"{here.prefect_url}/api"
    return passed_on | {
        **dict([started_by_up(here).split("=", 1)]),
        "NIGHTDESK_HOME": str(here.home),
        "NIGHTDESK_STRATEGIES": str(here.strategies),
        "NIGHTDESK_DATA": str(here.data),
        "NIGHTDESK_PREFECT_PORT": str(here.prefect_port),
        "NIGHTDESK_MLFLOW_PORT": str(here.mlflow_port),
        "NIGHTDESK_PREFECT_API_URL": api,
        "PREFECT_API_URL": api,
        "PREFECT_UI_API_URL": api,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # the newer pages report to an analytics service from the browser
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "nightdesk",  # what plain functions say while they wait, on the run's page
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }
