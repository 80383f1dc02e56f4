from django.urls import path

from gallery import files, spend, views

app_name = "gallery"

urlpatterns = [
    path("", views.index, name="index"),
    path("updates/", views.updates, name="updates"),
    path("trash/", views.trash, name="trash"),
    path("spend/", spend.spend, name="spend"),
    path("spend.csv", spend.spend_csv, name="spend_csv"),
    path("videos/<uuid:pk>/", views.detail, name="detail"),
    path("videos/<uuid:pk>/favourite/", views.favourite, name="favourite"),
    path("videos/<uuid:pk>/delete/", views.delete, name="delete"),
    path("videos/<uuid:pk>/restore/", views.restore, name="restore"),
    path("videos/<uuid:pk>/file/", files.play, name="file"),
    path("videos/<uuid:pk>/download/", files.download, name="download"),
    path("videos/<uuid:pk>/poster/", files.poster, name="poster"),
    path("videos/<uuid:pk>/file/<int:position>/", files.play, name="file"),
    path("videos/<uuid:pk>/download/<int:position>/", files.download, name="download"),
    path("videos/<uuid:pk>/poster/<int:position>/", files.poster, name="poster"),
    path("inputs/<uuid:pk>/", files.input_file, name="input_file"),
    path("inputs/<uuid:pk>/preview/", files.input_preview, name="input_preview"),
]
