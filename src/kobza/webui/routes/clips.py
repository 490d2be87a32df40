"""Visitors' clips."""

from fastapi import APIRouter

from kobza.webui.collection import Collection


def router(collection: Collection) -> APIRouter:
    return APIRouter(prefix="/api")
