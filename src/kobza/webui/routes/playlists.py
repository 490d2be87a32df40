"""Playlists, as files and for players."""

from fastapi import APIRouter

from kobza.webui.collection import Collection


def router(collection: Collection) -> APIRouter:
    return APIRouter(prefix="/api")
