"""The errors, for users of the library: what `push` and `sync` raise, and the exit code that each stands for."""

from engine.values import (
    AccessRefused as AccessRefused,
    AccountsDoNotBalance as AccountsDoNotBalance,
    CampaignMissing as CampaignMissing,
    ConfigError as ConfigError,
    EndpointUntrusted as EndpointUntrusted,
    EngineError as EngineError,
    ExitCode as ExitCode,
    Interrupted as Interrupted,
    NotTheApi as NotTheApi,
    SourceMissing as SourceMissing,
    SourceUntrusted as SourceUntrusted,
    StateFailed as StateFailed,
    StateLocked as StateLocked,
)
