from django.urls import path

from generation import input_views, picker_views, prompt_views, views, webhooks

app_name = "generation"

urlpatterns = [
    path("generate/", views.generate, name="generate"),
    path("generate/services/", picker_views.services, name="services"),
    path("generate/history/", prompt_views.history, name="history"),
    path("generate/presets/", prompt_views.presets, name="presets"),
    path("generate/presets/new/", prompt_views.name_preset, name="name_preset"),
    path("generate/presets/<int:pk>/rename/", prompt_views.rename, name="rename_preset"),
    path("generate/presets/<int:pk>/delete/", prompt_views.delete, name="delete_preset"),
    path("generate/inputs/", input_views.hand_in, name="hand_in"),
    path("generate/library/", input_views.earlier_files, name="library"),
    path("generate/library/<uuid:pk>/", input_views.tile, name="tile"),
    path("generate/library/<uuid:pk>/forget/", input_views.forget, name="forget"),
    path("videos/<uuid:pk>/frame/", input_views.use_frame, name="use_frame"),
    path("videos/<uuid:pk>/use/", input_views.use_video, name="use_video"),
    path("recover/", views.recover, name="recover"),
    path("videos/<uuid:pk>/attach/", views.attach, name="attach"),
    path("refresh/", views.refresh, name="refresh"),
    path("webhooks/kie/<str:token>/", webhooks.callback, name="callback"),
]
