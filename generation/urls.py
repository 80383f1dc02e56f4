from django.urls import path

from generation import prompt_views, views, webhooks

app_name = "generation"

urlpatterns = [
    path("generate/", views.generate, name="generate"),
    path("generate/history/", prompt_views.history, name="history"),
    path("generate/presets/", prompt_views.presets, name="presets"),
    path("generate/presets/new/", prompt_views.name_preset, name="name_preset"),
    path("generate/presets/<int:pk>/rename/", prompt_views.rename, name="rename_preset"),
    path("generate/presets/<int:pk>/delete/", prompt_views.delete, name="delete_preset"),
    path("recover/", views.recover, name="recover"),
    path("videos/<uuid:pk>/attach/", views.attach, name="attach"),
    path("refresh/", views.refresh, name="refresh"),
    path("webhooks/kie/<str:token>/", webhooks.callback, name="callback"),
]
